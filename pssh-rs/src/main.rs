use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main(std::env::args_os(), "pssh-rs", pssh_rs::hint, pssh_rs::run)
}
