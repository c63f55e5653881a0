use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("hostrange", hostrange::run)
}
