use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<exchange_sim::App>()
}
