use common::{
    api::{
        Code, Problem,
        orders::client_name,
        wallets::{EntryType, MoveRefusalReason, MoveRefused, OperationType},
    },
    ids::{MovementId, UserId},
};
use uuid::Uuid;

use super::*;
use crate::error::Error;

const TIME: &str = "2026-01-02T03:04:05.000000Z";

fn time() -> Timestamp {
    TIME.parse().unwrap()
}

fn id(number: u128) -> WalletId {
    WalletId(Uuid::from_u128(number))
}

fn deposit() -> MoveCommand {
    MoveCommand {
        client: "anonymous".to_owned(),
        key: "a".parse().unwrap(),
        requested_at: None,
        owner: OwnerFilter::Anonymous,
        operation: Some(OperationCommand {
            wallet_id: id(1),
            operation_type: OperationType::Deposit,
            amount: "5".parse().unwrap(),
        }),
        transfer: None,
        traceparent: None,
    }
}

fn invalid_field(command: MoveCommand) -> Option<String> {
    move_money_command(command, time(), Caller::WALLETS).err().map(|error| error.field)
}

#[test]
fn command_has_either_an_operation_or_a_transfer() {
    let transfer = Some(TransferCommand { from: id(1), to: id(2), amount: "5".parse().unwrap() });
    assert_eq!(invalid_field(deposit()), None);
    assert_eq!(invalid_field(MoveCommand { operation: None, transfer, ..deposit() }), None);
    assert_eq!(invalid_field(MoveCommand { transfer, ..deposit() }).as_deref(), Some("transfer"));
    assert_eq!(invalid_field(MoveCommand { operation: None, ..deposit() }).as_deref(), Some("transfer"));
}

#[test]
fn client_name_must_match_the_owner() {
    let [ada, bob] = [1, 2].map(|number| UserId(Uuid::from_u128(number)));
    let name_of = |user| client_name(Some(user));
    for (owner, client, is_valid) in [
        (OwnerFilter::User(ada), name_of(ada), true),
        (OwnerFilter::User(ada), name_of(bob), false),
        (OwnerFilter::User(ada), "anonymous".to_owned(), false),
        (OwnerFilter::Anonymous, name_of(ada), false),
        (OwnerFilter::Everybody, name_of(ada), false),
        (OwnerFilter::Everybody, "operator".to_owned(), true),
        (OwnerFilter::Anonymous, String::new(), false),
    ] {
        let field = invalid_field(MoveCommand { owner, client: client.clone(), ..deposit() });
        assert_eq!(field.is_none(), is_valid, "{owner} {client}");
    }
}

#[test]
fn time_of_a_request_is_never_after_its_arrival() {
    let requested_at = |requested_at| {
        let command = MoveCommand { requested_at, ..deposit() };
        move_money_command(command, time(), Caller::WALLETS).unwrap().requested_at
    };
    let second = std::time::Duration::from_secs(1);
    assert_eq!(requested_at(None), time());
    assert_eq!(requested_at(Some(time().plus(second))), time());
    assert_eq!(requested_at(Some(time().minus(second))), time().minus(second));
}

#[test]
fn outcome_contains_the_amounts_and_balances_of_the_wallets() {
    let entry = |account, amount| Entry { account, currency: "USD".parse().unwrap(), amount };
    let of_wallet =
        |number, balance: &str| Account::Wallet { id: id(number), number: 1, balance: balance.parse().unwrap() };
    let movement_id = MovementId(Uuid::from_u128(9));
    let moved_by = |kind, entries, shows_receiver| {
        let movement = Movement { id: movement_id, kind, created_at: time(), entries };
        outcome_of(&Decision::Moved { movement, replayed: true, shows_receiver })
    };
    let moved = |kind, entries| moved_by(kind, entries, true);
    let withdrawal = vec![entry(of_wallet(1, "3.00"), -20_000), entry(Account::Outside, 20_000)];
    let outcome = moved(MovementKind::Withdrawal, withdrawal).unwrap();
    let operation = outcome.operation.unwrap();
    assert!(outcome.replayed && outcome.transfer.is_none() && outcome.refused.is_none());
    assert_eq!(
        (operation.id, operation.wallet_id, operation.operation_type),
        (movement_id, id(1), EntryType::Withdraw)
    );
    assert_eq!([operation.amount, operation.balance].map(|money| money.to_string()), ["2.00", "3.00"]);

    let entries = vec![entry(of_wallet(1, "3.00"), -20_000), entry(of_wallet(2, "7.00"), 20_000)];
    let transfer = moved(MovementKind::Transfer, entries.clone()).unwrap().transfer.unwrap();
    assert_eq!((transfer.from, transfer.to), (id(1), id(2)));
    let money = [transfer.amount, transfer.from_balance, transfer.to_balance.unwrap()].map(|money| money.to_string());
    assert_eq!(money, ["2.00", "3.00", "7.00"]);
    let hidden = moved_by(MovementKind::Transfer, entries.clone(), false).unwrap().transfer;
    assert_eq!(hidden, Some(Transfer { to_balance: None, ..transfer }));
    assert!(!serde_json::to_string(&hidden).unwrap().contains("to_balance"));

    assert_eq!(moved(MovementKind::Order, entries), Err(UnexpectedMovement));
    assert_eq!(moved(MovementKind::Deposit, Vec::new()), Err(UnexpectedMovement));
    let refused = MoveRefused { reason: MoveRefusalReason::KeyReused, wallet_id: None, balance: None, currency: None };
    assert_eq!(outcome_of(&Decision::Refused(refused)).unwrap().refused, Some(refused));
}

#[test]
fn unexpected_movement_is_reported_as_an_unknown_outcome() {
    let problem = Problem::from(Error::from(UnexpectedMovement));
    assert_eq!((problem.code, problem.retry_after.is_some()), (Code::OutcomeUnknown, true));
}
