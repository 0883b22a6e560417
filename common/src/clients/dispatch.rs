//! The results of requests that a service sends in a batch, and why a request received no decision.

use std::{sync::Arc, time::Duration};

use poem::http::StatusCode;

use super::{CallError, CallOutcome};
use crate::{
    api::{Code, Problem, Subcode},
    concurrency::batching::BatchError,
};

/// `Retry-After` when the outcome of a request is unknown.
const RETRY_AFTER_UNKNOWN_OUTCOME: Duration = Duration::from_secs(5);

/// Why a request received no decision from the service that decides it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    #[error("too many requests are waiting")]
    QueueFull,
    #[error("the service is shutting down")]
    ShuttingDown,
    /// The call failed. If the error is a problem with the code `outcome_unknown`, the effect is unknown. Any other
    /// error means no effect.
    #[error(transparent)]
    Call(Arc<CallError>),
    /// The idempotency key that the client sent was not looked up because of the contained error. An earlier request with
    /// this key may have had an effect.
    #[error("the idempotency key was not looked up: {0}")]
    KeyNotLookedUp(#[source] Box<DispatchError>),
    /// A call that contained the request got no valid response. The request may have taken effect.
    #[error("it is unknown whether the request took effect")]
    OutcomeUnknown,
}

impl DispatchError {
    /// Converts the error of a request with an idempotency key that the client has sent. Only a lookup of the key shows
    /// whether an earlier request with the same key took effect.
    #[must_use]
    pub fn with_client_key(self) -> Self {
        match self {
            Self::OutcomeUnknown | Self::KeyNotLookedUp(_) => self,
            Self::QueueFull | Self::ShuttingDown | Self::Call(_) => Self::KeyNotLookedUp(Box::new(self)),
        }
    }
}

impl From<BatchError> for DispatchError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Full => Self::QueueFull,
            BatchError::Stopped => Self::ShuttingDown,
            BatchError::NoResponse => Self::OutcomeUnknown,
        }
    }
}

/// Returns one result for each request of a batch, in the sequence of the batch. `size` is the number of requests.
///
/// If an earlier attempt got no response, `after_lost_response` converts each decision. The called service possibly processes
/// the earlier attempt later, and decides differently.
pub fn results_of_batch<O, D>(
    outcome: CallOutcome<Vec<O>>,
    size: usize,
    after_lost_response: impl Fn(D) -> Result<D, DispatchError>,
) -> Vec<Result<D, DispatchError>>
where
    D: TryFrom<O, Error = DispatchError> + Clone,
{
    let is_unknown = outcome.has_unknown_effect();
    match outcome.result {
        Ok(outcomes) if outcomes.len() == size => {
            let decisions = outcomes.into_iter().map(D::try_from);
            if outcome.unanswered {
                decisions.map(|decision| decision.and_then(&after_lost_response)).collect()
            } else {
                decisions.collect()
            }
        }
        Ok(_) => vec![Err(DispatchError::OutcomeUnknown); size],
        // The error describes only the last attempt. Another attempt may have taken effect.
        Err(_) if is_unknown => vec![Err(DispatchError::OutcomeUnknown); size],
        Err(error) => vec![Err(DispatchError::Call(Arc::new(error))); size],
    }
}

/// Adds `denial`, such as `No order was placed.`, to the detail of the problem of a request that had no effect. Returns the problem
/// unchanged if it reports that the outcome is unknown, or if it is not about an unavailable service.
#[must_use]
pub fn with_denial(problem: Problem, denial: &str) -> Problem {
    let is_denied = problem.code.status() == StatusCode::SERVICE_UNAVAILABLE && problem.code != Code::OutcomeUnknown;
    if is_denied { Problem { detail: format!("{} {denial}", problem.detail).into(), ..problem } } else { problem }
}

/// The problem of a request whose outcome is unknown.
pub fn unknown_outcome(detail: &'static str) -> Problem {
    Problem::new(Code::OutcomeUnknown, detail).retry_after(RETRY_AFTER_UNKNOWN_OUTCOME)
}

/// The problem of a request whose idempotency key was not looked up because of `cause`. Its code is `outcome_unknown`,
/// because an earlier request with the key possibly had an effect. The reason and `advice` replace the detail of `cause`,
/// unless the code of `cause` is `outcome_unknown`.
pub fn key_not_looked_up(cause: Problem, advice: &'static str) -> Problem {
    let wait = cause.retry_after.unwrap_or_default().max(RETRY_AFTER_UNKNOWN_OUTCOME);
    let problem = match cause.code {
        Code::OutcomeUnknown => Problem::new(Code::OutcomeUnknown, cause.detail),
        code => {
            let reason = match code {
                Code::DatabaseUnavailable => "the database is unavailable",
                _ => "a part of the platform cannot be used at the moment",
            };
            let detail = format!("This request had no effect, because {reason}. {advice}");
            Problem { subcode: Some(Subcode::NoEffect), ..Problem::new(Code::OutcomeUnknown, detail) }
        }
    };
    problem.retry_after(wait)
}
