use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("xtask", |_| None, xtask::run)
}
