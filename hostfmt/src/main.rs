use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("hostfmt", |_| None, hostfmt::run)
}
