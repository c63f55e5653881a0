use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("mkuserdata", |_| None, mkuserdata::run)
}
