use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("pssh-rs", pssh_rs::hint, pssh_rs::run)
}
