//! Names of things: each its own type, so that one is never taken for another.

use std::{fmt, str::FromStr, sync::Arc};

use uuid::{Builder, Uuid};

use crate::time::Timestamp;

/// The id of an order: a UUID of version 7, so that later orders sort after earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Uuid);

/// Text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID, such as 0190a6e2-7c1b-7c3a-9d5e-0123456789ab")]
pub struct IdError;

impl FromStr for OrderId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

crate::text_type!(OrderId, "uuid", "The id of an order, a UUID of version 7.", "0190a6e2-7c1b-7c3a-9d5e-0123456789ab");

/// The id of a quote: a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuoteId(pub Uuid);

impl FromStr for QuoteId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError)
    }
}

impl fmt::Display for QuoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

crate::text_type!(QuoteId, "uuid", "The id of a quote, a UUID of version 7.", "0190a6e2-7c1b-7c3a-9d5e-0123456789ab");

/// The key under which a client may send the same order again: 1 to 128 visible ASCII characters.
///
/// Keys of all anonymous clients share one room, so a client should make them unguessable; a UUID is right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Text that is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_LEN} visible ASCII characters; a UUID is right")]
pub struct KeyError;

const MAX_KEY_LEN: usize = 128;

impl IdempotencyKey {
    /// A new key that nobody else has, for an order that came without one.
    pub fn generate() -> Self {
        Self(Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).to_string().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let fits = (1..=MAX_KEY_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(KeyError) }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::text_type!(
    IdempotencyKey,
    "idempotency-key",
    "1 to 128 visible ASCII characters; the same key gives the same order.",
    "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c11"
);

/// Follows one request through all services and their logs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The header that carries it.
    pub const HEADER: &'static str = "x-request-id";

    /// A new one. It has to be rare and not to be unguessable, so its random bits are no call to the system a request.
    fn generate() -> Self {
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let millis = u64::try_from(Timestamp::now().micros() / 1000).unwrap_or(0);
        let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Self(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).into())
    }

    /// Takes what a caller sent where it is short and harmless in a log, and makes a new one where it is not.
    pub fn from_caller(text: Option<&str>) -> Self {
        let harmless = |text: &&str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        text.filter(harmless).map_or_else(Self::generate, |text| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
