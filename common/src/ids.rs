//! Identifiers. Each kind has a type of its own, so the compiler rejects an id of another kind.

use std::{fmt, str::FromStr, sync::Arc};

use uuid::{Builder, Uuid};

use crate::time::Timestamp;

/// Text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID, such as 0190a6e2-7c1b-7c3a-9d5e-0123456789ab")]
pub struct IdError;

/// Defines an id type: a UUID. Most ids are generated with version 7, so that later ids sort after earlier ids. Parsing
/// accepts every version.
macro_rules! uuid_id {
    ($name:ident, $description:literal) => {
        #[doc = $description]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        crate::text_type!($name, "uuid", $description, "0190a6e2-7c1b-7c3a-9d5e-0123456789ab");
    };
}

uuid_id!(OrderId, "The id of an order, a UUID of version 7.");
uuid_id!(QuoteId, "The id of a quote, a UUID of version 7.");
uuid_id!(UserId, "The id of a user, a UUID of version 7.");
uuid_id!(WalletId, "The id of a wallet, a UUID of version 7.");
uuid_id!(MovementId, "The id of a movement of money, such as a deposit or a transfer, a UUID of version 7.");
uuid_id!(KeyId, "The id of an API key, a UUID of version 7. It is not the key.");
uuid_id!(SilenceId, "The id of a silence, a UUID.");

/// The key with which a client can safely send the same request again: 1 to 128 visible ASCII characters.
///
/// All anonymous clients share one namespace, so a key should be unguessable, such as a UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Text that is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_LEN} visible ASCII characters, such as a UUID")]
pub struct KeyError;

const MAX_KEY_LEN: usize = 128;

impl IdempotencyKey {
    pub const HEADER: &'static str = "Idempotency-Key";

    /// Generates a unique key for a request that was sent without a key.
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
    "1 to 128 visible ASCII characters. The same key returns the same order, wallet or movement of money.",
    "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c11",
    pattern: r"^[!-~]{1,128}$"
);

/// Identifies a request in the logs of all services that handle it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    pub const HEADER: &'static str = "x-request-id";

    /// Generates an id: a UUID of version 7. The id must be unique but can be guessable, so a fast generator supplies
    /// the random bits.
    fn generate() -> Self {
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let millis = u64::try_from(Timestamp::now().micros() / 1000).unwrap_or(0);
        let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Self(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).into())
    }

    /// The id that a caller sent, if it has 1 to 64 letters, digits or `-_.:` and is therefore safe in a log. Generates an
    /// id otherwise.
    pub fn from_caller(text: Option<&str>) -> Self {
        let is_safe = |text: &&str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        text.filter(is_safe).map_or_else(Self::generate, |text| Self(text.into()))
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
