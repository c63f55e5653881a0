use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-ls", ec2_ls::run)
}
