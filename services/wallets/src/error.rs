//! The errors of the service `wallets`. Only this module converts them to HTTP statuses.

use common::{
    api::{
        Code, FieldError, Problem, Subcode,
        wallets::{MoveRefusalReason, MoveRefused, OperationCommand, TransferCommand},
    },
    clients::{CallError, DispatchError, SharedReadError, key_not_looked_up, unknown_outcome, with_denial},
    ids::{IdempotencyKey, WalletId},
    money::{Currency, Money, OperationAmount, OperationAmountError},
    text::shown_name,
};

/// The fields of a request to move money. Error texts quote them.
#[derive(Debug, Clone, Copy)]
pub enum MovementTerms {
    Operation(OperationCommand),
    Transfer(TransferCommand),
}

impl MovementTerms {
    fn amount(&self) -> OperationAmount {
        match self {
            Self::Operation(operation) => operation.amount,
            Self::Transfer(transfer) => transfer.amount,
        }
    }

    /// The clause that quotes the wallet in the field `to`.
    fn shown_target(&self) -> String {
        match self {
            Self::Operation(_) => String::new(),
            Self::Transfer(transfer) => format!(", but is \"{}\"", transfer.to),
        }
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with the invalid fields.
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
    Refused { refused: MoveRefused, terms: MovementTerms, key: IdempotencyKey },
    /// 503, or 500 because of an internal error of db-proxy: no money moved, or the outcome is unknown.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// 503: db-proxy is unavailable, too many requests are waiting, or the service is shutting down. 500 if db-proxy
    /// reports an internal error.
    #[error(transparent)]
    Read(#[from] SharedReadError),
    /// 503: db-proxy is unavailable or did not respond. 500 if it reports an internal error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 503, or 500 because of an internal error of db-proxy: no wallet was created, or the outcome is unknown.
    #[error("the creation of a wallet failed: {0}")]
    Creation(#[source] DispatchError),
    /// 422: the idempotency key was used for a different wallet.
    #[error("the key of a new wallet was used for a different wallet")]
    KeyReused(IdempotencyKey),
}

/// The texts for a request that received no decision.
struct OutcomeTexts {
    /// The request was not sent, because too many were waiting.
    overloaded: &'static str,
    /// The request was not sent, because the service is shutting down.
    shutting_down: &'static str,
    /// The sentence at the end of the detail of a request that had no effect.
    denial: &'static str,
    /// The request had no effect, and its key was not looked up. The sentences after the reason.
    key_not_looked_up: &'static str,
    /// The request possibly had an effect.
    unknown: &'static str,
}

const MOVEMENT: OutcomeTexts = OutcomeTexts {
    overloaded: "Too many movements are waiting. No money moved. Try again in a moment.",
    shutting_down: "The service is shutting down. No money moved.",
    denial: "No money moved.",
    key_not_looked_up: "It is not known whether an earlier request with this idempotency_key moved the money. Send the request \
        again with the same key. The money moves only once.",
    unknown: "It is not known whether the money moved. Send the request again with this idempotency_key in the header \
        Idempotency-Key. The money moves only once.",
};
const CREATION: OutcomeTexts = OutcomeTexts {
    overloaded: "Too many requests are waiting. No wallet was created. Try again in a moment.",
    shutting_down: "The service is shutting down. No wallet was created.",
    denial: "No wallet was created.",
    key_not_looked_up: "It is not known whether an earlier request with this idempotency_key created the wallet. Send the request \
        again with the same key. Only one wallet is created.",
    unknown: "It is not known whether the wallet was created. Send the request again with this idempotency_key in the header \
        Idempotency-Key. Only one wallet is created.",
};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::WalletNotFound(id) => Self::new(Code::NotFound, format!("Wallet {id} does not exist.")),
            Error::WalletsOfAnotherUser => Self {
                subcode: Some(Subcode::OperatorsOnly),
                ..Self::new(
                    Code::Forbidden,
                    "Only an operator can read the wallets of another user. Omit the parameter user to read your own wallets.",
                )
            },
            Error::Refused { refused, terms, key } => refusal_problem(refused, terms, &key),
            Error::Dispatch(error) => dispatch_problem(error, &MOVEMENT),
            Error::Creation(error) => dispatch_problem(error, &CREATION),
            Error::KeyReused(key) => key_reused_problem(&key),
            Error::Read(error) => error.into_problem("wallets", read_problem),
            Error::Call(error) => read_problem(&error),
        }
    }
}

fn read_problem(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "a call of db-proxy failed");
    error.to_problem(Code::UpstreamUnavailable)
}

fn key_reused_problem(key: &IdempotencyKey) -> Problem {
    let reason = format!("\"{}\" was used for a different request", shown_name(key.as_str()));
    let detail = format!("The Idempotency-Key {reason}. Send a new key.");
    Problem { errors: vec![FieldError::new(IdempotencyKey::HEADER, reason)], ..Problem::new(Code::KeyReused, detail) }
}

/// The problem of a movement that db-proxy refused. If a field of the request is the reason, the problem names the
/// field.
fn refusal_problem(refused: MoveRefused, terms: MovementTerms, key: &IdempotencyKey) -> Problem {
    let MoveRefused { reason, wallet_id, balance, currency } = refused;
    let invalid = |field, reason: String| Problem::validation(vec![FieldError::new(field, reason)]);
    match reason {
        MoveRefusalReason::KeyReused => key_reused_problem(key),
        MoveRefusalReason::WalletNotFound => not_found_problem(wallet_id, terms),
        MoveRefusalReason::SameWallet => {
            invalid("to", format!("must be another wallet than from{}", terms.shown_target()))
        }
        MoveRefusalReason::CurrencyMismatch => invalid(
            "to",
            match currency {
                Some(currency) => {
                    format!("must be a wallet in {currency}, the currency of from{}", terms.shown_target())
                }
                None => format!("must be a wallet in the currency of from{}", terms.shown_target()),
            },
        ),
        MoveRefusalReason::TooManyDecimals => invalid(
            "amount",
            match currency {
                Some(currency) => {
                    let rule = OperationAmountError::TooManyDecimals(currency.decimals());
                    format!("{rule}, because the wallet is in {currency}, but is \"{}\"", terms.amount())
                }
                None => "has more decimals than the currency of the wallet".to_owned(),
            },
        ),
        MoveRefusalReason::InsufficientFunds => {
            let detail = match balance.zip(currency) {
                Some((balance, currency)) => {
                    let amount = terms.amount();
                    format!(
                        "The wallet has {balance} {currency}, which is less than the amount, {amount} {currency}. No money moved."
                    )
                }
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

/// The problem of a wallet that is not found. For a transfer, the problem names the field with the id of the wallet.
/// For an operation, the id is in the path, so no field is named.
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

fn dispatch_problem(error: DispatchError, texts: &OutcomeTexts) -> Problem {
    match error {
        DispatchError::QueueFull => Problem::new(Code::Overloaded, texts.overloaded),
        DispatchError::ShuttingDown => Problem::new(Code::ShuttingDown, texts.shutting_down),
        DispatchError::Call(error) => with_denial(error.to_problem(Code::UpstreamUnavailable), texts.denial),
        DispatchError::KeyNotLookedUp(error) => {
            key_not_looked_up(dispatch_problem(*error, texts), texts.key_not_looked_up)
        }
        DispatchError::OutcomeUnknown => unknown_outcome(texts.unknown),
    }
}
