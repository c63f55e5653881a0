use std::process::ExitCode;

fn main() -> ExitCode {
    cerveza_manners::main("ec2-power", ec2_power::hint, ec2_power::run)
}
