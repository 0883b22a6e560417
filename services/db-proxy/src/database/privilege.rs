//! Privileges that the role of a connection lacks.

use std::fmt;

use sqlx::Error;

use super::codes::{INSUFFICIENT_PRIVILEGE, has_code};

/// The role may not create or change the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSchemaPrivilege {
    role: String,
}

impl NoSchemaPrivilege {
    /// The error of a migration that `role` applied. `None` if the error has another cause.
    pub fn of(role: &str, error: &Error) -> Option<Self> {
        has_code(error, INSUFFICIENT_PRIVILEGE).then(|| Self { role: role.to_owned() })
    }

    pub fn reason(&self) -> String {
        format!("the role {} may not create or change the tables of the database", self.role)
    }

    /// What to do, as sentences without the last full stop.
    pub fn remedy(&self) -> String {
        format!(
            "As a superuser, run `grant usage, create on schema public to {}` in this database. If another role owns the tables, use that \
             role in DATABASE_URL",
            identifier(&self.role)
        )
    }
}

impl fmt::Display for NoSchemaPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.reason(), self.remedy())
    }
}

/// The name of a role for a statement, quoted if necessary.
pub fn identifier(role: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if role.bytes().all(is_plain) && !role.starts_with(|first: char| first.is_ascii_digit()) {
        role.to_owned()
    } else {
        format!("\"{}\"", role.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests;
