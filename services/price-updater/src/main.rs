use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<price_updater::App>().await
}
