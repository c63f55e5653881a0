use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("pssh-rs", |_| None, pssh_rs::run)
}
