//! Formats wallets and operations as tables for people.

use std::fmt;

use common::{
    api::wallets::{EntryType, Operation, Wallet},
    ids::{MovementId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};
use serde::Deserialize;

use crate::{client::render::format_time, table::Table};

const USER: &str = "user";

pub fn wallet_table<'a>(wallets: impl IntoIterator<Item = &'a Wallet>) -> Table {
    let mut table = Table::new(["id", "currency", "balance", USER, "created"], &[2]).optional(["created", USER]);
    for wallet in wallets {
        table.add_row([
            wallet.id.to_string(),
            wallet.currency.to_string(),
            wallet.balance.to_string(),
            wallet.user_id.map(|user| user.to_string()).unwrap_or_default(),
            format_time(wallet.created_at),
        ]);
    }
    table.without_empty(USER)
}

/// Formats a page of wallets. `next_command` is the command that shows the next page. `None` if there is no next page.
pub fn wallets(wallets: &[Wallet], next_command: Option<&str>) -> String {
    if wallets.is_empty() {
        return "No wallets.".to_owned();
    }
    let next = next_command.map(|command| format!("\nMore wallets: {command}"));
    format!("{}{}", wallet_table(wallets), next.unwrap_or_default())
}

/// Formats a page of operations. `next_command` is the command that shows the next page. `None` if there is no next page.
pub fn operations(operations: &[Operation], next_command: Option<&str>) -> String {
    if operations.is_empty() {
        return "No operations.".to_owned();
    }
    let next = next_command.map(|command| format!("\nMore operations: {command}"));
    format!("{}{}", operation_table(operations), next.unwrap_or_default())
}

/// Formats the result of a deposit or a withdrawal. `currency` is the currency of the wallet, if known.
pub fn new_operation(operation: &Operation, currency: Option<Currency>) -> String {
    let Operation { operation_type, amount, balance, .. } = operation;
    let done = if adds_money(*operation_type) { "Deposited" } else { "Withdrew" };
    let unit = currency.map(|currency| format!(" {currency}")).unwrap_or_default();
    format!("{done} {amount}{unit}. The balance is {balance}{unit}.\n{}", operation_table([operation]))
}

fn operation_table<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Table {
    let mut table = Table::new(["id", "time", "operation", "amount", "balance"], &[3, 4]).optional(["id"]);
    for operation in operations {
        let Operation { id, operation_type, amount, balance, created_at, .. } = operation;
        let sign = if adds_money(*operation_type) { '+' } else { '-' };
        table.add_row([
            id.to_string(),
            format_time(*created_at),
            name_of(*operation_type).to_owned(),
            format!("{sign}{amount}"),
            balance.to_string(),
        ]);
    }
    table
}

fn adds_money(operation: EntryType) -> bool {
    match operation {
        EntryType::Deposit | EntryType::TransferIn | EntryType::OrderIn => true,
        EntryType::Withdraw | EntryType::TransferOut | EntryType::OrderOut => false,
    }
}

fn name_of(operation: EntryType) -> &'static str {
    match operation {
        EntryType::Deposit => "deposit",
        EntryType::Withdraw => "withdrawal",
        EntryType::TransferIn => "transfer in",
        EntryType::TransferOut => "transfer out",
        EntryType::OrderIn => "bitcoin of an order",
        EntryType::OrderOut => "payment of an order",
    }
}

/// The fields of a transfer that its sender may see.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ShownTransfer {
    id: MovementId,
    from: WalletId,
    to: WalletId,
    currency: Currency,
    amount: Money,
    from_balance: Money,
    /// Absent if the wallet belongs to another owner.
    to_balance: Option<Money>,
    created_at: Timestamp,
}

impl fmt::Display for ShownTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, from, to, currency, amount, from_balance, to_balance, created_at } = self;
        writeln!(f, "Transferred {amount} {currency}.")?;
        let mut table = Table::new(["side", "wallet", "balance"], &[2]);
        table.add_row(["from", &from.to_string(), &from_balance.to_string()]);
        table.add_row(["to", &to.to_string(), &to_balance.map(|balance| balance.to_string()).unwrap_or_default()]);
        write!(f, "{table}\nOperation {id} at {}", format_time(*created_at))
    }
}
