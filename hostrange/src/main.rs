use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("hostrange", |_| None, hostrange::run)
}
