use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main(std::env::args_os(), "hostrange", hostrange::hint, hostrange::run)
}
