use std::process::ExitCode;

fn main() -> ExitCode {
    common::service::main::<fetch_orders::App>()
}
