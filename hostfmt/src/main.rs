use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main(std::env::args_os(), "hostfmt", hostfmt::hint, hostfmt::run)
}
