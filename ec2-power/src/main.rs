use std::process::ExitCode;

fn main() -> ExitCode {
    ec2_power::main(std::env::args_os())
}
