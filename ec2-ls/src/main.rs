use std::process::ExitCode;

fn main() -> ExitCode {
    ec2_ls::main(std::env::args_os())
}
