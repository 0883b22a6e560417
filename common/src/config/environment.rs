//! The environment variables of a process.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
};

#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pub(super) values: HashMap<String, String>,
    /// The variables whose values are not UTF-8, with each value as messages show it.
    pub(super) not_utf8: HashMap<String, String>,
}

impl Environment {
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            // A name that is not UTF-8 is not the name of a setting.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.values.insert(name, value),
                Err(value) => {
                    let shown = shown(&name, &value);
                    environment.not_utf8.insert(name, shown)
                }
            };
        }
        environment
    }
}

/// The value in quotes, with each byte that is not ASCII as an escape sequence. A value that may contain a secret is
/// not shown: an address may contain a password before `@` or after `?`.
fn shown(name: &str, value: &OsStr) -> String {
    let bytes = value.as_encoded_bytes();
    if is_secret(name) || bytes.iter().any(|byte| matches!(byte, b'@' | b'?')) {
        "\"***\"".to_owned()
    } else {
        format!("\"{}\"", bytes.escape_ascii())
    }
}

/// Whether the value of the setting is a secret.
fn is_secret(name: &str) -> bool {
    const SUFFIXES: [&str; 4] = ["_TOKEN", "_KEY", "_DSN", "_HEADERS"];
    const ADDRESSES: [&str; 2] = ["ALERT_WEBHOOK_URL", "ALERTMANAGER_URL"];
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) || ADDRESSES.contains(&name)
}

#[cfg(test)]
mod tests;
