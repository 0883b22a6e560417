//! Names of users and of API keys.

use std::{fmt, sync::Arc};

use crate::text::{TextType, describe_refused, find_invisible_control, is_text, is_visible};

/// Maximum length of a name in characters.
const MAX_CHARS: usize = 200;

/// The pattern of a new name in requests. It also permits some names that [`UserName::parse_new`] refuses. For example, it
/// permits invisible characters beyond U+FFFF, which have no portable notation in a pattern.
pub(in crate::api) const NEW_NAME_PATTERN: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e",
    r"\u2060-\u206f\ufeff\ufff9-\ufffb]{1,200}$"
);

/// The name of a user or of an API key: 1 to 200 characters without control characters, not only spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(Arc<str>);

/// Text that is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_CHARS} characters without control characters")]
pub struct NameError;

/// Why a text is refused as the new name of a user or of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewNameError {
    #[error("must be 1 to {MAX_CHARS} printable characters")]
    Length,
    #[error("must not contain the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
}

impl UserName {
    /// Parses a name that a client sends. The name must have a visible character, and no invisible character that
    /// changes how other text is shown. Names that earlier releases have stored possibly contain such invisible
    /// characters.
    pub fn parse_new(text: &str) -> Result<Self, NewNameError> {
        match find_invisible_control(text) {
            Some(character) => Err(NewNameError::Invisible(character)),
            None if is_visible(text) => text.parse().map_err(|NameError| NewNameError::Length),
            None => Err(NewNameError::Length),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that a client sends. See [`UserName::parse_new`].
pub struct NewName(pub UserName);

impl TextType for NewName {
    fn parse_text(text: &str) -> Result<Self, String> {
        UserName::parse_new(text).map(Self).map_err(|error| describe_refused(error, text))
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
