//! E-mail addresses.

use std::{fmt, sync::Arc};

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

/// Maximum length of an address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;
const OPTIONS: Options = Options {
    minimum_sub_domains: 2,
    allow_domain_literal: false,
    allow_display_text: false,
    allow_long_local_parts: false,
};

/// An e-mail address as it was entered.
///
/// Two addresses are equal if their [comparison keys](Email::comparison_key) are equal.
#[derive(Debug, Clone)]
pub struct Email {
    address: Arc<str>,
    comparison_key: Arc<str>,
}

/// Why a text is not a valid e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("must be an e-mail address of at most {MAX_BYTES} bytes, such as ada@example.org")]
    Invalid,
    /// A space in a query may be a `+` that was not encoded.
    #[error("must be an e-mail address without a space (in a query, + is written as %2B)")]
    Space,
}

impl Email {
    /// Combines an address that was validated before and its comparison key.
    pub fn from_parts(address: &str, comparison_key: &str) -> Self {
        let address: Arc<str> = address.into();
        // Most addresses equal their keys. An address and an equal key share one allocation.
        let comparison_key = if *address == *comparison_key { Arc::clone(&address) } else { comparison_key.into() };
        Self { address, comparison_key }
    }

    /// The address as it was entered.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The form by which addresses are compared. No two users have the same comparison key.
    ///
    /// The local part is normalized (Unicode NFC of its lower case). The domain is in its ASCII form (UTS #46), which ignores
    /// case. Dots and `+` in the local part are significant, because their meaning depends on the mail server.
    pub fn comparison_key(&self) -> &str {
        &self.comparison_key
    }
}

fn comparison_key(address: &EmailAddress) -> Option<String> {
    let local = comparable_local_part(address.local_part());
    let domain = idna::domain_to_ascii_strict(address.domain()).ok()?;
    Some(format!("{local}@{domain}"))
}

/// Most local parts are ASCII and need no normalization.
fn comparable_local_part(local: &str) -> String {
    if local.is_ascii() { local.to_ascii_lowercase() } else { normalize(local) }
}

/// The Unicode NFC of the lower case of a text.
fn normalize(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().nfc().collect()
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        if text.len() > MAX_BYTES || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            let with_plus = text.replace(' ', "+");
            let is_space_wrong = with_plus != text && with_plus.parse::<Self>().is_ok();
            return Err(if is_space_wrong { EmailError::Space } else { EmailError::Invalid });
        }
        let address = EmailAddress::parse_with_options(text, OPTIONS).map_err(|_| EmailError::Invalid)?;
        let key = comparison_key(&address).filter(|key| key.len() <= MAX_BYTES);
        Ok(Self::from_parts(text, &key.ok_or(EmailError::Invalid)?))
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.comparison_key == other.comparison_key
    }
}

impl Eq for Email {}

impl std::hash::Hash for Email {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.comparison_key.hash(state);
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

crate::text_type!(Email, "email", "An e-mail address of at most 254 bytes.", "ada@example.org");

#[cfg(test)]
mod tests;
