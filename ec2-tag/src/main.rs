use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-tag", ec2_tag::run)
}
