use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-ls", cerveza_ec2::awscli_hint, ec2_ls::run)
}
