use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<db_proxy::App>()
}
