//! The shell commands of the tour in `docs/wallets.md` work as written.

use std::{path::PathBuf, process::Command};

use common::service::Service;
use tests::{buydesk_up::BuydeskUp, environment::binary_path, platform::OPERATOR_TOKEN, terminal::Terminal};

/// The shell commands of the tour.
fn tour() -> String {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/wallets.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, tour) = page.split_once("## A tour\n").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    let blocks = tour.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_tour_works_as_written() {
    let platform = BuydeskUp::start(&[("OPERATOR_TOKEN", OPERATOR_TOKEN)]).await;
    // The services of a test have other ports and another token.
    let script = tour()
        .replace("127.0.0.1:8030", &platform.address(wallets::App::NAME))
        .replace("TOKEN_OF_BUYDESK_UP", &format!("'{OPERATOR_TOKEN}'"));
    let program = binary_path("buydesk");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(platform.folder());
    command.env_clear().env("PATH", path).envs(Terminal::new(&platform, None).variables());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for part in [
        "Deposited 1000.00 USD.",
        "The balance is 749.50 USD.",
        "refused with exit code 1",
        "Transferred 49.50 USD.",
        "An earlier request with this key moved the money.",
        "Paid from wallet",
        "payment of an order",
        "transfer out",
        "\"operation_type\":\"DEPOSIT\"",
        "id,wallet_id,operation_type,amount,balance,created_at",
        "No violation was found.",
        "without the key: exit code 1",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(text.matches("refused with exit code 1").count(), 2, "{text}");
    platform.stop().await;
}
