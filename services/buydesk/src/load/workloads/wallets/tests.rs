use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use super::WalletLoad;
use crate::{
    cli::{Arguments, CheckScope, Command, LoadCommand, WalletLoadArgs},
    client::scripted_service::{Reply, ScriptedService},
    load::{report::Check, transport::Transport, workload::Workload},
};

const WALLETS: [&str; 2] = ["01900000-0000-7000-8000-00000000000a", "01900000-0000-7000-8000-00000000000b"];

fn wallet(id: &str, balance: &str) -> Value {
    json!({ "id": id, "currency": "USD", "balance": balance, "user_id": null, "created_at": "2026-01-02T03:04:05Z" })
}

fn movement(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012}")
}

/// A page with operations of a wallet.
fn page(wallet: &str, numbers: &[usize]) -> Value {
    let operation = |&number: &usize| {
        json!({
            "id": movement(number), "wallet_id": wallet, "operation_type": "DEPOSIT", "amount": "1.00", "balance": "1.00",
            "created_at": "2026-01-02T03:04:05Z"
        })
    };
    json!({ "data": numbers.iter().map(operation).collect::<Vec<_>>(), "_links": {} })
}

fn args() -> WalletLoadArgs {
    match Arguments::try_parse_from(["buydesk", "load", "wallets", "--wallets", "2"]).unwrap().command {
        Command::Load(LoadCommand::Wallets(args)) => args,
        other => panic!("{other:?}"),
    }
}

/// Makes a deposit into each of two wallets and a transfer from each wallet, and checks these operations.
async fn check(lists: [&[usize]; 2], balances: [&str; 2]) -> Check {
    let mut documents = Vec::new();
    for id in WALLETS {
        documents.extend([wallet(id, "0.00"), json!({ "id": movement(100) })]);
    }
    // The responses to the requests and to the repeated requests.
    documents.extend((0..4).chain(0..4).map(|number| json!({ "id": movement(number) })));
    documents.extend(WALLETS.into_iter().zip(lists).map(|(id, numbers)| page(id, numbers)));
    documents.extend(WALLETS.into_iter().zip(balances).map(|(id, balance)| wallet(id, balance)));
    let service = ScriptedService::start(documents.into_iter().map(Reply::Success).collect());
    let client = service.client(&[]);
    let transport = Transport::new(2, Duration::from_secs(5), None).unwrap();
    let load = WalletLoad::new(&client, transport, &args()).await.unwrap();
    for number in 0..4 {
        load.send(number).await.unwrap();
    }
    load.check(&client, CheckScope::All).await.unwrap()
}

#[tokio::test]
async fn operations_that_are_listed_once_and_add_up_to_the_balances_pass_the_check() {
    let check = check([&[0, 2, 3, 100], &[1, 2, 3, 100]], ["1000001.00", "1000001.00"]).await;
    assert_eq!(check, Check { acknowledged: 4, looked_up: 4, repeated: 4, ..Check::default() });
}

#[tokio::test]
async fn transfer_that_is_listed_in_only_one_of_its_wallets_is_a_violation() {
    let check = check([&[0, 2, 3, 100], &[1, 3, 100]], ["1000001.00", "1000001.00"]).await;
    assert_eq!(check.violations, 1);
    let expected =
        format!("Operation {} was acknowledged, and is listed 0 times in wallet {}.", movement(2), WALLETS[1]);
    assert_eq!(check.examples, [expected]);
}

#[tokio::test]
async fn balance_that_is_not_the_sum_of_the_operations_is_a_violation() {
    let check = check([&[0, 2, 3, 100], &[1, 2, 3, 100]], ["1000001.00", "1000002.00"]).await;
    let expected = format!(
        "Wallet {} has a balance of 1000002.00, and the acknowledged operations add up to 1000001.00.",
        WALLETS[1]
    );
    assert_eq!(check.examples, [expected]);
}
