use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<price_updater::App>()
}
