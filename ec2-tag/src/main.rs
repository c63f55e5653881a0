use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-tag", cerveza_ec2::awscli_hint, ec2_tag::run)
}
