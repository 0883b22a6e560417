//! `buydesk wallet …`.

mod advice;
mod render;
mod verification;

use std::process::ExitCode;

use common::{
    api::wallets::{
        LinkedOperationPage, LinkedWalletPage, Operation, OperationCursor, OperationPayload, TransferPayload, Wallet,
        WalletCursor, WalletPayload, page_query,
    },
    ids::{UserId, WalletId},
    money::{Currency, DecimalText},
};
use serde::Serialize;

pub use self::verification::{VERIFICATION_INCOMPLETE, VIOLATIONS_FOUND, describe_violation, journal_summary};
use self::{advice::advice, render::ShownTransfer};
use super::{
    ApiClient,
    api_client::{Change, ServiceResponse, print_line},
    attempts::{ChangeKey, OutcomeTexts},
    error::{FieldOption, naming_options, with_advice},
    users::find_id,
};
use crate::{
    cli::{ListOperationsArgs, ListWalletsArgs, OperationArgs, TransferArgs, WalletCommand},
    program::option,
};

const WALLETS: &str = "api/v1/wallets";
const TRANSFERS: &str = "api/v1/transfers";
const OPTIONS: &[FieldOption] = &[
    FieldOption { field: "currency", option: "--currency" },
    FieldOption { field: "amount", option: "--amount" },
    FieldOption { field: "from", option: "--from" },
    FieldOption { field: "to", option: "--to" },
    FieldOption { field: "limit", option: "--limit" },
    FieldOption { field: "cursor", option: "--cursor" },
    FieldOption { field: "user", option: "--user" },
    FieldOption { field: "Idempotency-Key", option: "--key" },
];
const CREATION_TEXTS: OutcomeTexts = OutcomeTexts {
    not_made: "No wallet was created",
    unknown: "The wallet may have been created.",
    unknown_earlier: "This command created no wallet, but an earlier request with this key may have created it.",
    only_once: "Only one wallet is created.",
};
/// For deposits, withdrawals and transfers.
const MOVEMENT_TEXTS: OutcomeTexts = OutcomeTexts {
    not_made: "No money moved",
    unknown: "The money may have been moved.",
    unknown_earlier: "This command moved no money, but an earlier request with this key may have moved it.",
    only_once: "The money is moved only once.",
};

/// Runs `buydesk wallet …`. Returns the exit code 1 if `buydesk wallet verify` finds a violation, and otherwise 0.
pub async fn run_wallet_command(client: &ApiClient, command: WalletCommand, json: bool) -> anyhow::Result<ExitCode> {
    if let WalletCommand::Verify(args) = command {
        return verification::verify_journal(client, args, json).await;
    }
    naming_options(run(client, command, json).await, OPTIONS)?;
    Ok(ExitCode::SUCCESS)
}

async fn run(client: &ApiClient, command: WalletCommand, json: bool) -> anyhow::Result<()> {
    let wallets = &client.endpoints.wallets;
    match command {
        WalletCommand::Create { currency, key } => create_wallet(client, currency, ChangeKey::new(key), json).await,
        WalletCommand::Get { id } => {
            let found = client.get(wallets, &path_of(id)).await;
            let response = with_advice(found, |code| advice(client, None, code))?;
            response.print(json, |wallet: &Wallet| render::wallet_table([wallet]).to_string())
        }
        WalletCommand::List(args) => list_wallets(client, args, json).await,
        WalletCommand::Deposit(args) => operate(client, "DEPOSIT", args, json).await,
        WalletCommand::Withdraw(args) => operate(client, "WITHDRAW", args, json).await,
        WalletCommand::Transfer(args) => transfer(client, args, json).await,
        WalletCommand::Operations(args) => list_operations(client, args, json).await,
        WalletCommand::Verify(_) => unreachable!("run_wallet_command handles verify"),
    }
}

fn path_of(wallet: WalletId) -> String {
    format!("{WALLETS}/{wallet}")
}

async fn create_wallet(client: &ApiClient, currency: String, key: ChangeKey, json: bool) -> anyhow::Result<()> {
    let body = WalletPayload { currency: Some(currency) };
    let change = Change { endpoint: &client.endpoints.wallets, path: WALLETS, body: &body, texts: &CREATION_TEXTS };
    let created = client.make_change(change, &key).await;
    let response = with_advice(created, |code| advice(client, None, code))?;
    let note = if response.replayed { "\nAn earlier request with this key created the wallet." } else { "" };
    response.print(json, |wallet: &Wallet| {
        let deposit = client.command(&format!("wallet deposit {} --amount AMOUNT", wallet.id));
        format!("{}\nIdempotency key: {}{note}\nTo deposit money: {deposit}", render::wallet_table([wallet]), key.key())
    })
}

async fn operate(client: &ApiClient, operation_type: &str, args: OperationArgs, json: bool) -> anyhow::Result<()> {
    let OperationArgs { wallet, amount, key } = args;
    let path = format!("{}/operation", path_of(wallet));
    let amount = Some(DecimalText::from(amount));
    let body = OperationPayload { operation_type: Some(operation_type.to_owned()), amount };
    let movement = Movement { path: &path, body, wallet, key: ChangeKey::new(key) };
    let (response, note) = move_money(client, movement).await?;
    let currency = if json { None } else { currency_of(client, wallet).await };
    response.print(json, |operation: &Operation| format!("{}\n{note}", render::new_operation(operation, currency)))
}

/// Reads the currency of a wallet, which operations do not contain. Returns `None` if the wallet cannot be read.
async fn currency_of(client: &ApiClient, wallet: WalletId) -> Option<Currency> {
    let found = client.get(&client.endpoints.wallets, &path_of(wallet)).await.ok()?;
    Some(found.parse::<Wallet>().ok()?.currency)
}

async fn transfer(client: &ApiClient, args: TransferArgs, json: bool) -> anyhow::Result<()> {
    let TransferArgs { from: wallet, to, amount, key } = args;
    let (from, to, amount) = (Some(wallet.to_string()), Some(to.to_string()), Some(DecimalText::from(amount)));
    let body = TransferPayload { from, to, amount };
    let movement = Movement { path: TRANSFERS, body, wallet, key: ChangeKey::new(key) };
    let (response, note) = move_money(client, movement).await?;
    response.print(json, |transfer: &ShownTransfer| format!("{transfer}\n{note}"))
}

/// The request of a deposit, a withdrawal or a transfer.
struct Movement<'a, B> {
    path: &'a str,
    body: B,
    /// The wallet of the deposit or the withdrawal, or the paying wallet of the transfer.
    wallet: WalletId,
    key: ChangeKey,
}

/// Sends the request. Returns the response, and a note with the idempotency key.
async fn move_money<B: Serialize>(
    client: &ApiClient,
    movement: Movement<'_, B>,
) -> anyhow::Result<(ServiceResponse, String)> {
    let Movement { path, body, wallet, key } = movement;
    let change = Change { endpoint: &client.endpoints.wallets, path, body: &body, texts: &MOVEMENT_TEXTS };
    let moved = client.make_change(change, &key).await;
    let response = with_advice(moved, |code| advice(client, Some(wallet), code))?;
    let note = if response.replayed { "\nAn earlier request with this key moved the money." } else { "" };
    Ok((response, format!("Idempotency key: {}{note}", key.key())))
}

async fn list_wallets(client: &ApiClient, args: ListWalletsArgs, json: bool) -> anyhow::Result<()> {
    let ListWalletsArgs { limit, cursor, user } = args;
    let user = match &user {
        Some(user) => Some(find_id(client, user).await?),
        None => None,
    };
    let path = format!("{WALLETS}?{}", page_query(("user", user), cursor, limit));
    let listed = client.get(&client.endpoints.wallets, &path).await;
    let response = with_advice(listed, |code| advice(client, None, code))?;
    if json {
        return response.print_json();
    }
    let page: LinkedWalletPage = response.parse()?;
    let next = page.next_cursor.map(|cursor| client.command(&wallets_command(limit, user, cursor)));
    print_line(&render::wallets(&page.data, next.as_deref()))
}

/// The command that shows the same list from `cursor` on.
fn wallets_command(limit: u32, user: Option<UserId>, cursor: WalletCursor) -> String {
    let (limit, user) = (option("limit", Some(limit)), option("user", user));
    format!("wallet list{limit}{user}{}", option("cursor", Some(cursor)))
}

async fn list_operations(client: &ApiClient, args: ListOperationsArgs, json: bool) -> anyhow::Result<()> {
    let ListOperationsArgs { wallet, limit, cursor } = args;
    let query = page_query(("user", None::<UserId>), cursor, limit);
    let path = format!("{}/operations?{query}", path_of(wallet));
    let listed = client.get(&client.endpoints.wallets, &path).await;
    let response = with_advice(listed, |code| advice(client, None, code))?;
    if json {
        return response.print_json();
    }
    let page: LinkedOperationPage = response.parse()?;
    let next = page.next_cursor.map(|cursor| client.command(&operations_command(wallet, limit, cursor)));
    print_line(&render::operations(&page.data, next.as_deref()))
}

/// The command that shows the same list from `cursor` on.
fn operations_command(wallet: WalletId, limit: u32, cursor: OperationCursor) -> String {
    format!("wallet operations {wallet}{}{}", option("limit", Some(limit)), option("cursor", Some(cursor)))
}

#[cfg(test)]
mod tests;
