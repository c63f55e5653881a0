use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-launch", cerveza_ec2::awscli_hint, ec2_launch::run)
}
