//! The idempotency key of a request.

use std::fmt;

use poem::http::HeaderMap;

use crate::{
    api::{Code, FieldError, Problem},
    ids::{IdempotencyKey, KeyError},
    text::describe_refused_bytes,
};

#[derive(Debug, Clone)]
pub enum RequestKey {
    /// The client sent the key. An earlier request with the same key has possibly taken effect.
    ClientSupplied(IdempotencyKey),
    /// The client sent no key. The generated key makes retries between the services safe.
    Generated(IdempotencyKey),
}

impl RequestKey {
    /// The key of a request with these headers. `parsed` is the key that the framework has parsed. Refuses a request with several
    /// headers `Idempotency-Key`, and a request whose header the framework could not parse.
    ///
    /// The framework ignores a header that is not ASCII, and parses only the first of several headers. Without this check, such
    /// a request would take effect without its key, or with only one of its keys.
    pub fn from_header(parsed: Option<IdempotencyKey>, headers: &HeaderMap) -> Result<Self, Problem> {
        let sent: Vec<_> = headers.get_all(IdempotencyKey::HEADER).iter().collect();
        let reason = match (sent.as_slice(), &parsed) {
            ([], None) | ([_], Some(_)) => None,
            ([value], None) => Some(describe_refused_bytes(KeyError, value.as_bytes())),
            (several, _) => Some(format!("must be sent once, but is sent {} times", several.len())),
        };
        if let Some(reason) = reason {
            return Err(Problem::validation(vec![FieldError::new(IdempotencyKey::HEADER, reason)]));
        }
        Ok(parsed.map_or_else(|| Self::Generated(IdempotencyKey::generate()), Self::ClientSupplied))
    }

    pub fn as_idempotency_key(&self) -> &IdempotencyKey {
        match self {
            Self::ClientSupplied(key) | Self::Generated(key) => key,
        }
    }

    pub fn is_client_supplied(&self) -> bool {
        matches!(self, Self::ClientSupplied(_))
    }

    /// Adds the key to a problem with the code `outcome_unknown`. The client can then send the request again with the same key, even
    /// if the service has generated the key.
    pub fn add_to(&self, problem: Problem) -> Problem {
        match problem.code {
            Code::OutcomeUnknown => Problem { idempotency_key: Some(self.to_string()), ..problem },
            _ => problem,
        }
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_idempotency_key().as_str())
    }
}

#[cfg(test)]
mod tests;
