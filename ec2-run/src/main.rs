use std::process::ExitCode;

fn main() -> ExitCode {
    ec2_run::main(std::env::args_os())
}
