use std::process::ExitCode;

fn main() -> ExitCode {
    ec2_tag::main(std::env::args_os())
}
