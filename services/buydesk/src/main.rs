use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    buydesk::main().await
}
