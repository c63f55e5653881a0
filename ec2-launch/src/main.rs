use std::process::ExitCode;

fn main() -> ExitCode {
    ec2_launch::main(std::env::args_os())
}
