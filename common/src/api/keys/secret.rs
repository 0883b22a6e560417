//! The text of an API key, its prefix and its hash.
//!
//! A key is `bdk_PPPPPPPP_SSS…SCCCCCC`: a prefix (`bdk_` and 8 characters), a secret (43 characters) and a checksum (6
//! characters). These characters are letters and digits. The key is found in the database by its prefix. The secret has
//! 256 bits of entropy: 43 random characters of an alphabet of 62. The fixed beginning and the checksum let scanners
//! recognize a leaked key. The checksum also reveals a mistyped key without a look-up.

use std::{fmt, sync::Arc};

use rand::{RngExt, distr::Alphanumeric};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::text::{from_hex, to_hex};

const BEGINNING: &str = "bdk_";
const PREFIX_RANDOM: usize = 8;
const PREFIX_LEN: usize = BEGINNING.len() + PREFIX_RANDOM;
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
/// One character separates the prefix from the secret.
const KEY_LEN: usize = PREFIX_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key as its owner sends it. Its `Debug` form hides the key from logs.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(Arc<str>);

/// Text that does not have the form of a key, or whose checksum is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an API key, which begins with {BEGINNING}")]
pub struct KeySecretError;

impl KeySecret {
    /// Generates a key with a cryptographic generator of random numbers, which the operating system seeds.
    pub fn generate() -> Self {
        let random = |count| rand::rng().sample_iter(Alphanumeric).take(count).map(char::from).collect();
        let (prefix, secret): (String, String) = (random(PREFIX_RANDOM), random(SECRET_LEN));
        let text = format!("{BEGINNING}{prefix}_{secret}");
        let checksum = checksum(&text);
        Self(format!("{text}{checksum}").into())
    }

    /// Whether a text begins like a key.
    pub fn resembles(text: &str) -> bool {
        text.starts_with(BEGINNING)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part that identifies the key and is not secret.
    pub fn prefix(&self) -> KeyPrefix {
        KeyPrefix(self.0[..PREFIX_LEN].into())
    }

    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl std::str::FromStr for KeySecret {
    type Err = KeySecretError;

    fn from_str(text: &str) -> Result<Self, KeySecretError> {
        let has_form = text.len() == KEY_LEN
            && text.is_ascii()
            && is_prefix(&text[..PREFIX_LEN])
            && text.as_bytes()[PREFIX_LEN] == b'_'
            && text[PREFIX_LEN + 1..].bytes().all(|b| b.is_ascii_alphanumeric());
        if !has_form {
            return Err(KeySecretError);
        }
        let (content, sent) = text.split_at(KEY_LEN - CHECKSUM_LEN);
        if checksum(content) == sent { Ok(Self(text.into())) } else { Err(KeySecretError) }
    }
}

/// The CRC-32 of a text in base 62, with leading zeros. The largest value has 6 digits.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[rest as usize % DIGITS.len()]);
        rest /= 62;
    }
    digits.into_iter().collect()
}

fn is_prefix(text: &str) -> bool {
    text.len() == PREFIX_LEN
        && text.strip_prefix(BEGINNING).is_some_and(|random| random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Writes the whole key.
impl fmt::Display for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::text_type!(
    KeySecret,
    "api-key",
    "An API key. It is shown once.",
    "bdk_Zk3TQ9aw_2LrEx8p0VhYc7mJdWgN5uKs1tAbQfXoGiR6zPvC4MyH3lDat8",
    pattern: r"^bdk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$",
    errors: verbatim
);

/// The beginning of an API key. It identifies the key and is not secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for KeyPrefix {
    type Err = KeySecretError;

    fn from_str(text: &str) -> Result<Self, KeySecretError> {
        if is_prefix(text) { Ok(Self(text.into())) } else { Err(KeySecretError) }
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::text_type!(
    KeyPrefix,
    "key-prefix",
    "The beginning of an API key. It identifies the key and is not secret.",
    "bdk_Zk3TQ9aw",
    pattern: r"^bdk_[0-9A-Za-z]{8}$",
    errors: verbatim
);

/// The SHA-256 of an API key. A key has 256 random bits, so a slow hash would add no security.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Compares in constant time.
impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

/// Text that is not a SHA-256 in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits")]
pub struct KeyHashError;

impl std::str::FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        from_hex(text).map(Self).ok_or(KeyHashError)
    }
}

crate::text_type!(
    KeyHash,
    "sha256",
    "A SHA-256 in hexadecimal.",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    pattern: r"^[0-9a-f]{64}$",
    errors: verbatim
);
