//! The file `.env`.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::Path,
    sync::LazyLock,
};

use anyhow::anyhow;

use crate::{io_errors::describe_file_error, spelling::nearest};

/// The names of all settings of all services, from `.env.example`. A test compares that file with the variables that are read.
static SETTINGS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../../.env.example").lines();
    let names = lines.filter_map(|line| Some(line.strip_prefix('#')?.split_once('=')?.0));
    names.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')).collect()
});

/// A name in the file that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingWarning {
    /// No setting has this name.
    Unknown(String),
    /// Several lines of the file set this name.
    Repeated(String),
}

impl SettingWarning {
    /// The code of the warning, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_setting",
            Self::Repeated(_) => "repeated_setting",
        }
    }
}

impl fmt::Display for SettingWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "the file .env sets {name}, which is not a setting and has no effect; ")?;
                match nearest(name, SETTINGS.iter().copied()) {
                    Some(meant) => write!(f, "did you mean {meant}?"),
                    None => f.write_str(".env.example lists all settings"),
                }
            }
            Self::Repeated(name) => {
                write!(f, "the file .env sets {name} more than once; the last line applies, so remove the others")
            }
        }
    }
}

/// The content of the file `.env`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EnvFile {
    pub values: HashMap<String, String>,
    /// First the unknown names and then the repeated ones, each sorted.
    pub warnings: Vec<SettingWarning>,
}

impl EnvFile {
    /// Reads the file of the current directory. If the file does not exist, returns no values and no warnings.
    pub fn read() -> anyhow::Result<Self> {
        if !Path::new(".env").is_file() {
            return Ok(Self::default());
        }
        let path = Path::new(".env");
        let text = std::fs::read_to_string(path).map_err(|error| {
            let reason = describe_file_error(path, &error);
            anyhow!("the file .env in the working directory cannot be read: {reason}; correct it or its permissions, or remove it")
        })?;
        Self::parse(&text).map_err(anyhow::Error::msg)
    }

    /// The error names the line and not its content, which may be a secret.
    fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "each line must be NAME=VALUE, and a value with spaces, quotes or # needs single quotes around it";
        let pairs = dotenvy::from_read_iter(text.as_bytes()).collect::<Result<Vec<(String, String)>, _>>();
        let pairs = pairs.map_err(|error| {
            let number = match &error {
                // The error contains the whole line, or only the value.
                dotenvy::Error::LineParse(invalid, _) => {
                    text.lines().position(|line| line.trim().ends_with(invalid.trim())).map(|index| index + 1)
                }
                _ => None,
            };
            number.map_or_else(
                || format!("the file .env cannot be parsed; {FORM}"),
                |number| format!("line {number} of the file .env cannot be parsed; {FORM}"),
            )
        })?;
        let (mut values, mut repeated) = (HashMap::new(), BTreeSet::new());
        for (name, value) in pairs {
            if values.insert(name.clone(), value).is_some() {
                repeated.insert(name);
            }
        }
        let unknown: BTreeSet<_> = values.keys().filter(|name| !SETTINGS.contains(name.as_str())).cloned().collect();
        let unknown = unknown.into_iter().map(SettingWarning::Unknown);
        let warnings = unknown.chain(repeated.into_iter().map(SettingWarning::Repeated)).collect();
        Ok(Self { values, warnings })
    }
}

#[cfg(test)]
mod tests;
