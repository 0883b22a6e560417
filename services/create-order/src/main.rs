use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<create_order::App>().await
}
