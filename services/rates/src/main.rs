use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    common::service::main::<rates::App>().await
}
