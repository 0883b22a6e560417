//! The errors of wallets. Only this module converts them to HTTP statuses.

use std::{sync::Arc, time::Duration};

use common::{
    api::{
        Code, FieldError, Problem,
        wallets::{MoveRefusalReason, MoveRefused, OperationCommand, TransferCommand},
    },
    clients::{CallError, DispatchError, key_not_looked_up, unknown_outcome},
    concurrency::batching::BatchError,
    ids::{IdempotencyKey, WalletId},
    money::{Currency, Money},
};

/// Why a batched read failed. Every request of a batch receives a clone.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error("too many requests are waiting for wallets")]
    Overloaded,
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Call(Arc<CallError>),
}

impl From<BatchError> for ReadError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Full => Self::Overloaded,
            BatchError::Stopped | BatchError::NoResponse => Self::ShuttingDown,
        }
    }
}

/// What a client asked to move. Error texts name its fields.
#[derive(Debug, Clone, Copy)]
pub enum MovementTerms {
    Operation(OperationCommand),
    Transfer(TransferCommand),
}

/// Why a request for wallets failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with every invalid field.
    #[error("the request has invalid fields")]
    Invalid(Vec<FieldError>),
    /// 404. The wallet does not exist, or it belongs to another owner.
    #[error("wallet {0} does not exist")]
    WalletNotFound(WalletId),
    /// 403: only an operator or the user may select the wallets of a user.
    #[error("the wallets of another user were requested")]
    WalletsOfAnotherUser,
    /// 404, 409 or 422: db-proxy refused to move the money.
    #[error("the movement was refused: {:?}", refused.reason)]
    Refused { refused: MoveRefused, terms: MovementTerms },
    /// 503: no money moved, or the outcome is unknown. 500 if db-proxy reports an internal error.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// 503: db-proxy is unavailable, too many requests are waiting, or the service is shutting down.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// 503: db-proxy is unavailable or did not respond. 500 if it reports an internal error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 503: it is not known whether the wallet was created.
    #[error("it is not known whether the wallet was created")]
    CreationUnknown(#[source] CallError),
}

/// `Retry-After` when it is unknown whether a wallet was created.
const RETRY_AFTER_UNKNOWN_CREATION: Duration = Duration::from_secs(5);
/// The detail if a request moved no money and its key was not looked up.
const KEY_NOT_LOOKED_UP: &str = "This request had no effect, because a part of the platform cannot be used at the moment. It is not \
    known whether an earlier request with this idempotency_key moved the money. Send the request again with the same key. The money \
    moves only once.";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::WalletNotFound(id) => Self::new(Code::NotFound, format!("Wallet {id} does not exist.")),
            Error::WalletsOfAnotherUser => Self::new(
                Code::Forbidden,
                "Only an operator can read the wallets of another user. Omit the parameter user to read your own wallets.",
            ),
            Error::Refused { refused, terms } => refusal_problem(refused, terms),
            Error::Dispatch(error) => dispatch_problem(error),
            Error::Read(ReadError::Call(error)) => read_problem(&error),
            Error::Read(ReadError::Overloaded) => {
                Self::new(Code::Overloaded, "Too many requests are waiting for wallets. Try again in a moment.")
            }
            Error::Read(ReadError::ShuttingDown) => Self::new(Code::ShuttingDown, "The service is shutting down."),
            Error::Call(error) => read_problem(&error),
            Error::CreationUnknown(error) => {
                tracing::warn!(error = %error.chain(), "it is not known whether db-proxy created a wallet");
                let detail = "It is not known whether the wallet was created. Look for it in the list of wallets, or create another \
                    one: an empty wallet does no harm.";
                Self::new(Code::UpstreamUnavailable, detail).retry_after(RETRY_AFTER_UNKNOWN_CREATION)
            }
        }
    }
}

fn read_problem(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "a call of db-proxy failed");
    error.to_problem(Code::UpstreamUnavailable)
}

/// The problem of a movement that db-proxy refused. It names the field of the request that is the reason.
fn refusal_problem(refused: MoveRefused, terms: MovementTerms) -> Problem {
    let MoveRefused { reason, wallet_id, balance, currency } = refused;
    let invalid = |field, reason: String| Problem::validation(vec![FieldError::new(field, reason)]);
    match reason {
        MoveRefusalReason::KeyReused => Problem {
            errors: vec![FieldError::new(IdempotencyKey::HEADER, "was used for a different request")],
            ..Problem::new(Code::KeyReused, "This Idempotency-Key was used for a different request. Send a new key.")
        },
        MoveRefusalReason::WalletNotFound => not_found_problem(wallet_id, terms),
        MoveRefusalReason::SameWallet => invalid("to", "must be another wallet than from".to_owned()),
        MoveRefusalReason::CurrencyMismatch => invalid(
            "to",
            match currency {
                Some(currency) => format!("must be a wallet in {currency}, the currency of from"),
                None => "must be a wallet in the currency of from".to_owned(),
            },
        ),
        MoveRefusalReason::TooManyDecimals => invalid(
            "amount",
            match currency {
                Some(currency) => {
                    let decimals = currency.decimals();
                    format!("must have at most {decimals} decimals, because the wallet is in {currency}")
                }
                None => "has more decimals than the currency of the wallet".to_owned(),
            },
        ),
        MoveRefusalReason::InsufficientFunds => {
            let detail = match shown_balance(balance, currency) {
                Some(shown) => format!("The wallet has {shown}, which is less than the amount. No money moved."),
                None => "The wallet has less money than the amount. No money moved.".to_owned(),
            };
            Problem { balance: balance.map(Box::new), ..Problem::new(Code::InsufficientFunds, detail) }
        }
        MoveRefusalReason::BalanceOutOfRange => {
            let detail = match shown_balance(balance, currency) {
                Some(shown) => format!("The wallet has {shown}, and would exceed the highest balance. No money moved."),
                None => {
                    "The wallet that receives the money would exceed the highest balance. No money moved.".to_owned()
                }
            };
            Problem { balance: balance.map(Box::new), ..Problem::new(Code::BalanceOutOfRange, detail) }
        }
    }
}

fn shown_balance(balance: Option<Money>, currency: Option<Currency>) -> Option<String> {
    balance.zip(currency).map(|(balance, currency)| format!("{balance} {currency}"))
}

/// The wallet of an operation is in the path. Those of a transfer are fields of the body, so the field is named.
fn not_found_problem(id: Option<WalletId>, terms: MovementTerms) -> Problem {
    match terms {
        MovementTerms::Operation(OperationCommand { wallet_id, .. }) => {
            Error::WalletNotFound(id.unwrap_or(wallet_id)).into()
        }
        MovementTerms::Transfer(TransferCommand { from, to, .. }) => {
            let (field, id) = if id == Some(to) && from != to { ("to", to) } else { ("from", from) };
            Problem { errors: vec![FieldError::new(field, "does not exist")], ..Error::WalletNotFound(id).into() }
        }
    }
}

fn dispatch_problem(error: DispatchError) -> Problem {
    match error {
        DispatchError::QueueFull => {
            Problem::new(Code::Overloaded, "Too many movements are waiting. No money moved. Try again in a moment.")
        }
        DispatchError::ShuttingDown => {
            Problem::new(Code::ShuttingDown, "The service is shutting down. No money moved.")
        }
        DispatchError::Call(error) => {
            tracing::warn!(%error, "db-proxy moved no money");
            error.to_problem(Code::UpstreamUnavailable)
        }
        DispatchError::KeyNotLookedUp(error) => key_not_looked_up(dispatch_problem(*error), KEY_NOT_LOOKED_UP),
        DispatchError::OutcomeUnknown => unknown_outcome(
            "It is not known whether the money moved. Send the request again with this idempotency_key in the header \
             Idempotency-Key. The money moves only once.",
        ),
    }
}
