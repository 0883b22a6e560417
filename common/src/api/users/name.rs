//! Names of users and of keys.

use std::{fmt, sync::Arc};

use crate::text::is_text;

/// Maximum length of a name in characters.
const MAX_CHARS: usize = 200;

/// The name of a user or of an API key: 1 to 200 characters without control characters, not only spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(Arc<str>);

/// Text that is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_CHARS} characters without control characters")]
pub struct NameError;

impl UserName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !text.trim().is_empty() && is_text(text, MAX_CHARS) { Ok(Self(text.into())) } else { Err(NameError) }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::text_type!(
    UserName,
    "name",
    "1 to 200 characters without control characters.",
    "Ada",
    pattern: r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$"
);
