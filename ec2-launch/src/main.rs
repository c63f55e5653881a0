use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-launch", ec2_launch::run)
}
