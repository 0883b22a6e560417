//! The commands and options of wallets.

use clap::{Args, Subcommand};
use common::{
    api::wallets::{MAX_WALLET_PAGE, OperationCursor, VerificationCursor, WalletCursor},
    ids::{IdempotencyKey, WalletId},
};

use super::{UserReference, plain_number, whole_number};

#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Create an empty wallet. It belongs to the user of the API key. Without an API key, it belongs to nobody.
    Create {
        /// Currency of the wallet, such as USD, RUB or BTC.
        #[arg(short, long)]
        currency: String,
        /// Idempotency key. Commands with the same key create only one wallet. By default, the command generates a key.
        #[arg(short, long)]
        key: Option<IdempotencyKey>,
    },
    /// Show a wallet and its balance.
    Get {
        /// Id of the wallet.
        id: WalletId,
    },
    /// List wallets, newest first.
    List(ListWalletsArgs),
    /// Deposit money to a wallet.
    Deposit(OperationArgs),
    /// Withdraw money from a wallet. The balance never becomes negative.
    Withdraw(OperationArgs),
    /// Transfer money from a wallet to another wallet of the same currency.
    Transfer(TransferArgs),
    /// List the operations of a wallet, newest first: deposits, withdrawals, transfers and orders.
    Operations(ListOperationsArgs),
    /// Check every balance against the journal, as an operator.
    ///
    /// Checks that each balance is the sum of its entries, and that each movement adds up to zero. Prints every violation. The
    /// exit code is 0 if there is none, and 1 if there are violations. It is 2 if the check did not reach the end.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct ListWalletsArgs {
    /// Maximum number of wallets to show.
    #[arg(short, long, default_value_t = 20, allow_negative_numbers = true, value_parser = whole_number(1..=MAX_WALLET_PAGE))]
    pub limit: u32,
    /// Cursor at which the list continues. The previous list ends with a command that contains it.
    #[arg(long)]
    pub cursor: Option<WalletCursor>,
    /// Show wallets of the user with this id or e-mail address. Only an operator may list the wallets of other users.
    #[arg(long)]
    pub user: Option<UserReference>,
}

#[derive(Debug, Args)]
pub struct OperationArgs {
    /// Id of the wallet.
    pub wallet: WalletId,
    /// Amount, with at most 4 decimals, or 8 for bitcoin.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub amount: String,
    /// Idempotency key. Commands with the same key move the money only once. By default, the command generates a key.
    #[arg(short, long)]
    pub key: Option<IdempotencyKey>,
}

#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Id of the wallet that pays.
    #[arg(long, value_name = "ID")]
    pub from: WalletId,
    /// Id of the wallet that receives. It may belong to somebody else.
    #[arg(long, value_name = "ID")]
    pub to: WalletId,
    /// Amount, with at most 4 decimals, or 8 for bitcoin.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub amount: String,
    /// Idempotency key. Commands with the same key move the money only once. By default, the command generates a key.
    #[arg(short, long)]
    pub key: Option<IdempotencyKey>,
}

#[derive(Debug, Args)]
pub struct ListOperationsArgs {
    /// Id of the wallet.
    pub wallet: WalletId,
    /// Maximum number of operations to show.
    #[arg(short, long, default_value_t = 20, allow_negative_numbers = true, value_parser = whole_number(1..=MAX_WALLET_PAGE))]
    pub limit: u32,
    /// Cursor at which the list continues. The previous list ends with a command that contains it.
    #[arg(long)]
    pub cursor: Option<OperationCursor>,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Cursor at which the check continues. A check that did not reach the end prints this cursor.
    #[arg(long)]
    pub cursor: Option<VerificationCursor>,
}
