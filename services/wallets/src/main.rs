use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<wallets::App>()
}
