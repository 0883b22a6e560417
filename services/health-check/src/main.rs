use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<health_check::App>()
}
