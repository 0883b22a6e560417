use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<health_check::App>().await
}
