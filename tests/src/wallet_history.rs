//! The history of the wallets of a load test: the requests of each client and their responses. After the run,
//! [`check_wallets`] compares the history with the journal in the database.

mod acknowledgements;
pub mod checker;
pub mod journal;
mod journal_rules;
mod orders;
#[cfg(test)]
mod tests;
mod timeline;
mod violation;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use common::{
    api::{
        Code,
        wallets::{Operation, Wallet},
    },
    ids::WalletId,
    money::Money,
    time::Timestamp,
};
use serde_json::{Value, json};

pub use self::{
    checker::check_wallets, journal::StoredJournal, orders::Orders, timeline::EntryTimes, violation::WalletViolation,
};
use crate::{Response, history::ClientUser};

/// The movement of money that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedMovement {
    Deposit { wallet: WalletId, amount: Money },
    Withdraw { wallet: WalletId, amount: Money },
    Transfer { from: WalletId, to: WalletId, amount: Money },
}

impl RequestedMovement {
    /// The path of the request.
    pub fn path(&self) -> String {
        match self {
            Self::Deposit { wallet, .. } | Self::Withdraw { wallet, .. } => {
                format!("/api/v1/wallets/{wallet}/operation")
            }
            Self::Transfer { .. } => "/api/v1/transfers".to_owned(),
        }
    }

    /// The JSON body of the request.
    pub fn body(&self) -> Value {
        match self {
            Self::Deposit { amount, .. } => json!({ "operation_type": "DEPOSIT", "amount": amount }),
            Self::Withdraw { amount, .. } => json!({ "operation_type": "WITHDRAW", "amount": amount }),
            Self::Transfer { from, to, amount } => json!({ "from": from, "to": to, "amount": amount }),
        }
    }

    /// The wallet that must belong to the client.
    pub fn own_wallet(&self) -> WalletId {
        match *self {
            Self::Deposit { wallet, .. } | Self::Withdraw { wallet, .. } => wallet,
            Self::Transfer { from, .. } => from,
        }
    }

    pub fn amount(&self) -> Money {
        match *self {
            Self::Deposit { amount, .. } | Self::Withdraw { amount, .. } | Self::Transfer { amount, .. } => amount,
        }
    }
}

/// One request and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveAttempt {
    /// The user of the client.
    pub user: ClientUser,
    pub idempotency_key: String,
    pub requested: RequestedMovement,
    pub start: Timestamp,
    pub end: Timestamp,
    pub outcome: MoveOutcome,
}

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveOutcome {
    /// 200, with the complete body.
    Moved { body: Bytes, replayed: bool },
    /// 404, 409 or 422: the request was refused and moved no money.
    Refused { code: Code, balance: Option<Money> },
    /// 503.
    Unavailable(Code),
    /// The connection broke, or the request timed out.
    NoResponse,
    /// A response that the API does not allow here.
    Unexpected { status: u16, body: String },
}

impl MoveOutcome {
    pub fn from_response(response: reqwest::Result<Response>) -> Self {
        let Ok(response) = response else { return Self::NoResponse };
        if response.status == 200 {
            let replayed = response.header("idempotency-replayed") == Some("true");
            return Self::Moved { body: response.body, replayed };
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let balance = problem["balance"].as_str().and_then(|text| text.parse().ok());
        match (response.status, problem["code"].as_str().and_then(Code::from_text)) {
            (404 | 409 | 422, Some(code)) => Self::Refused { code, balance },
            (503, Some(code)) => Self::Unavailable(code),
            (status, _) => Self::Unexpected { status, body: response.text() },
        }
    }

    /// Whether the outcome is final, so that the client stops retrying.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Moved { .. } | Self::Refused { .. })
    }

    /// Whether the response reports a movement as new, not as the replay of an earlier request.
    pub fn is_new_movement(&self) -> bool {
        matches!(self, Self::Moved { replayed: false, .. })
    }

    /// The code of a response that states that no money moved.
    pub fn denial(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. }
            | Self::Unavailable(
                code @ (Code::DatabaseUnavailable | Code::UpstreamUnavailable | Code::Overloaded | Code::ShuttingDown),
            ) => Some(*code),
            Self::Moved { .. } | Self::Unavailable(_) | Self::NoResponse | Self::Unexpected { .. } => None,
        }
    }
}

/// A balance that a client read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceRead {
    pub wallet: WalletId,
    pub balance: Money,
    pub start: Timestamp,
    pub end: Timestamp,
}

/// All operations of a wallet, read after the last fault, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub wallet: WalletId,
    pub operations: Vec<Operation>,
}

/// The result of `buydesk wallet verify` at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifiedRows {
    pub wallets: u64,
    pub entries: u64,
    pub movements: u64,
    pub violations: usize,
}

/// Everything that the clients of a run did with wallets.
#[derive(Debug, Clone, Default)]
pub struct WalletHistory {
    /// The created wallets, as the responses showed them.
    pub wallets: Vec<Wallet>,
    pub attempts: Vec<MoveAttempt>,
    pub reads: Vec<BalanceRead>,
    pub statements: Vec<Statement>,
    /// `None` if the journal was not verified.
    pub verified: Option<VerifiedRows>,
}

impl WalletHistory {
    /// A violation, followed by the attempts with the idempotency key that it names.
    pub fn describe(&self, violation: &WalletViolation) -> String {
        let mut attempts: Vec<_> =
            self.attempts.iter().filter(|attempt| violation.key() == Some(&attempt.idempotency_key)).collect();
        attempts.sort_by_key(|attempt| attempt.start);
        let line = |attempt: &MoveAttempt| {
            let MoveAttempt { user, requested, start, end, outcome, .. } = attempt;
            let outcome = match outcome {
                MoveOutcome::Moved { body, replayed } => {
                    format!("200, replayed {replayed}: {}", String::from_utf8_lossy(body))
                }
                other => format!("{other:?}"),
            };
            let sender = user.map_or_else(|| "a client without an API key".to_owned(), |id| format!("user {id}"));
            format!("  {start} to {end}  {sender}  {} {}  {outcome}\n", requested.path(), requested.body())
        };
        format!("{violation}\n{}", attempts.into_iter().map(line).collect::<String>())
    }
}

/// Records a [`WalletHistory`] from many concurrent clients.
#[derive(Debug, Default)]
pub struct WalletHistoryRecorder {
    history: Mutex<WalletHistory>,
}

impl WalletHistoryRecorder {
    pub fn record_wallet(&self, wallet: Wallet) {
        self.with_history(|history| history.wallets.push(wallet));
    }

    pub fn record_attempt(&self, attempt: MoveAttempt) {
        self.with_history(|history| history.attempts.push(attempt));
    }

    pub fn record_read(&self, read: BalanceRead) {
        self.with_history(|history| history.reads.push(read));
    }

    pub fn record_statement(&self, statement: Statement) {
        self.with_history(|history| history.statements.push(statement));
    }

    pub fn record_verification(&self, verified: VerifiedRows) {
        self.with_history(|history| history.verified = Some(verified));
    }

    /// Takes the history out of the recorder.
    pub fn take_history(&self) -> WalletHistory {
        self.with_history(std::mem::take)
    }

    fn with_history<T>(&self, change: impl FnOnce(&mut WalletHistory) -> T) -> T {
        // Each change is a single assignment or push, so the history is consistent after a panic.
        change(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
