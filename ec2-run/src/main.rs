use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-run", ec2_run::hint, ec2_run::run)
}
