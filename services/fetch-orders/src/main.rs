use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<fetch_orders::App>().await
}
