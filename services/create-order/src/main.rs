use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<create_order::App>()
}
