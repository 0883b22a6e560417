use clap::Parser;
use common::api::{Code, Problem, Subcode};
use serde_json::{Value, json};

use super::*;
use crate::{
    cli::{Arguments, Command, UserReference},
    client::{
        error::error_document,
        scripted_service::{Reply, ScriptedService},
    },
};

const WALLET: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
const OTHER: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ac";

fn parse(command: &str) -> Command {
    let words = ["buydesk"].into_iter().chain(command.split(' '));
    Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).command
}

/// Runs a command that fails. Returns the JSON document of its error.
async fn fail(service: &ScriptedService, settings: &[(&str, &str)], command: &str) -> Value {
    let Command::Wallet(command) = parse(command) else { panic!("{command}") };
    let error = run_wallet_command(&service.client(settings), command, false).await.unwrap_err();
    serde_json::from_str(&error_document(&error)).unwrap()
}

fn problem(code: Code) -> Reply {
    Reply::Problem(Problem::new(code, "This is the detail.").to_json())
}

#[test]
fn command_for_the_next_page_shows_the_same_list() {
    let cursor: WalletCursor = "w0190a6e27c1b7c3a9d5e0123456789ab".parse().unwrap();
    let user: UserId = OTHER.parse().unwrap();
    let command = wallets_command(2, Some(user), cursor);
    assert_eq!(command, format!("wallet list --limit 2 --user {OTHER} --cursor {cursor}"));
    let Command::Wallet(WalletCommand::List(args)) = parse(&command) else { panic!() };
    assert!(matches!(args.user, Some(UserReference::Id(id)) if id == user));
    assert_eq!((args.limit, args.cursor), (2, Some(cursor)));

    let (wallet, cursor) = (WALLET.parse().unwrap(), OperationCursor(31));
    let command = operations_command(wallet, 3, cursor);
    assert_eq!(command, format!("wallet operations {WALLET} --limit 3 --cursor n1f"));
    let Command::Wallet(WalletCommand::Operations(args)) = parse(&command) else { panic!() };
    assert_eq!((args.wallet, args.limit, args.cursor), (wallet, 3, Some(cursor)));
}

#[tokio::test]
async fn each_attempt_has_the_same_key_and_the_amount_as_entered() {
    let operation = json!({
        "id": OTHER, "wallet_id": WALLET, "operation_type": "WITHDRAW", "amount": "0.50", "balance": "1.00",
        "created_at": "2026-01-02T03:04:05.000000Z",
    });
    let service = ScriptedService::start(vec![Reply::NoResponse, Reply::Success(operation)]);
    let Command::Wallet(command) = parse(&format!("wallet withdraw {WALLET} --amount -.5")) else { panic!() };
    run_wallet_command(&service.client(&[]), command, true).await.unwrap();
    let requests = service.requests();
    let key = |request: &str| request.lines().find(|line| line.starts_with("idempotency-key: ")).map(str::to_owned);
    assert_eq!((requests.len(), key(&requests[0])), (2, key(&requests[1])));
    assert!(requests[1].starts_with(&format!("POST /api/v1/wallets/{WALLET}/operation ")), "{}", requests[1]);
    assert!(requests[1].ends_with(r#"{"operation_type":"WITHDRAW","amount":"-.5"}"#), "{}", requests[1]);
    assert!(key(&requests[0]).is_some());
}

#[tokio::test]
async fn failed_movement_states_whether_the_money_moved() {
    let deposit = format!("wallet deposit {WALLET} --amount 5");
    let service = ScriptedService::start(vec![Reply::NoResponse; 3]);
    let unknown = fail(&service, &[], &deposit).await;
    assert_eq!(unknown["code"], "outcome_unknown");
    let key = unknown["idempotency_key"].as_str().unwrap();
    assert!(unknown["detail"].as_str().unwrap().ends_with("The money may have been moved."), "{unknown}");
    let again = format!("To find out, run the command again with --key {key}. The money is moved only once.");
    assert_eq!(unknown["next_step"], again);

    let no_effect = Problem {
        subcode: Some(Subcode::NoEffect),
        ..Problem::new(Code::OutcomeUnknown, "This request had no effect.")
    };
    let service = ScriptedService::start(vec![Reply::Problem(no_effect.to_json()); 6]);
    let not_moved = fail(&service, &[], &deposit).await;
    assert_eq!(not_moved["detail"], "No money moved, because wallets cannot work without db-proxy.");
    // The user chose this key, so an earlier command has possibly moved money with the same key.
    let earlier = fail(&service, &[], &format!("{deposit} --key my-key")).await;
    assert_eq!((&earlier["code"], &earlier["idempotency_key"]), (&"outcome_unknown".into(), &"my-key".into()));
}

#[tokio::test]
async fn creation_without_a_response_is_sent_again_with_the_same_key() {
    let service = ScriptedService::start(vec![Reply::NoResponse; 3]);
    let unknown = fail(&service, &[], "wallet create --currency USD").await;
    assert_eq!((&unknown["code"], service.requests().len()), (&"outcome_unknown".into(), 3));
    assert!(unknown["detail"].as_str().unwrap().ends_with("The wallet may have been created."), "{unknown}");
    let key = unknown["idempotency_key"].as_str().unwrap();
    assert!(service.requests().iter().all(|request| request.contains(&format!("idempotency-key: {key}\r\n"))));
    let again = format!("To find out, run the command again with --key {key}. Only one wallet is created.");
    assert_eq!(unknown["next_step"], again);

    let wallet = json!({
        "id": WALLET, "currency": "USD", "balance": "0.00", "user_id": null, "created_at": "2026-01-02T03:04:05.000000Z",
    });
    let service = ScriptedService::start(vec![Reply::NoResponse, Reply::Success(wallet)]);
    let Command::Wallet(command) = parse("wallet create --currency USD --key my-key") else { panic!() };
    run_wallet_command(&service.client(&[]), command, true).await.unwrap();
    assert!(service.requests().iter().all(|request| request.contains("idempotency-key: my-key\r\n")));
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn refusal_advises_a_next_step() {
    let withdraw = format!("wallet withdraw {WALLET} --amount 5");
    let transfer = format!("wallet transfer --from {WALLET} --to {OTHER} --amount 5");
    let deposit_command = format!("wallet deposit {WALLET} --amount AMOUNT`");
    for (code, command, part) in [
        (Code::InsufficientFunds, &withdraw, deposit_command.as_str()),
        (Code::InsufficientFunds, &transfer, &deposit_command),
        (Code::BalanceOutOfRange, &transfer, "another wallet"),
        (Code::KeyReused, &withdraw, "another --key"),
        (Code::NotFound, &withdraw, " wallet list` lists your wallets"),
        (Code::Unauthorized, &withdraw, "Set BUYDESK_API_KEY"),
    ] {
        let error = fail(&ScriptedService::start(vec![problem(code)]), &[], command).await;
        assert_eq!(error["code"], code.as_str());
        assert!(error["next_step"].as_str().unwrap().contains(part), "{part} is not in {error}");
    }
    let operator = [("OPERATOR_TOKEN", "the token of operators")];
    let refused = fail(&ScriptedService::start(vec![problem(Code::Forbidden)]), &operator, &withdraw).await;
    assert!(
        refused["next_step"].as_str().unwrap().starts_with("Operators read all wallets and change none."),
        "{refused}"
    );
}

#[test]
fn amount_of_an_operation_has_a_sign() {
    let operation = |operation_type: &str| {
        let operation = json!({
            "id": OTHER, "wallet_id": WALLET, "operation_type": operation_type, "amount": "0.00082143",
            "balance": "1.00000000", "created_at": "2026-01-02T03:04:05.000000Z",
        });
        serde_json::from_value(operation).unwrap()
    };
    let all = ["DEPOSIT", "TRANSFER_IN", "ORDER_IN", "WITHDRAW", "TRANSFER_OUT", "ORDER_OUT"].map(operation);
    let text = render::operations(&all, Some("buydesk wallet operations"));
    assert_eq!((text.matches("+0.00082143").count(), text.matches("-0.00082143").count()), (3, 3), "{text}");
    assert!(text.ends_with("\nMore operations: buydesk wallet operations"), "{text}");
    let shown = |currency| render::new_operation(&all[3], currency);
    assert!(shown(Some(Currency::BTC)).starts_with("Withdrew 0.00082143 BTC. The balance is 1.00000000 BTC.\n"));
    assert!(shown(None).starts_with("Withdrew 0.00082143. The balance is 1.00000000.\n"));
}

#[test]
fn transfer_to_somebody_else_shows_no_balance_of_the_receiver() {
    let mut transfer = json!({
        "id": OTHER, "from": WALLET, "to": OTHER, "currency": "USD", "amount": "5.00", "from_balance": "95.00",
        "to_balance": "7.00", "created_at": "2026-01-02T03:04:05.000000Z",
    });
    let shown = |transfer: &Value| serde_json::from_value::<ShownTransfer>(transfer.clone()).unwrap().to_string();
    let text = shown(&transfer);
    assert!(text.starts_with("Transferred 5.00 USD.\n") && text.contains("95.00") && text.contains("7.00"), "{text}");
    transfer.as_object_mut().unwrap().remove("to_balance");
    let text = shown(&transfer);
    assert!(text.contains("95.00") && !text.contains("7.00"), "{text}");
}
