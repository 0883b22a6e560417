use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<exchange_sim::App>().await
}
