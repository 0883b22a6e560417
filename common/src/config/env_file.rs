//! The settings file: `.env`, or the file that `SETTINGS_FILE` names.

mod lines;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    io::ErrorKind,
    iter,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::anyhow;
use chrono::{DateTime, Utc};

use self::lines::{LineFault, ParsedLines, name_in};
use crate::{io_errors::describe_file_error, spelling::nearest, time::Timestamp};

/// The environment variable that names the settings file.
const SETTINGS_FILE: &str = "SETTINGS_FILE";
const DEFAULT_FILE: &str = ".env";

/// All settings of all services, from `.env.example`. The value is the default, and is empty for a setting without a
/// default. A test compares `.env.example` with the variables that the services read.
static SETTINGS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("../../../.env.example").lines();
    let settings = lines.filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    settings.filter(|(name, _)| is_name(name)).collect()
});

/// The default of a setting in `.env.example`. `None` if the setting has no default.
pub(super) fn documented_default(name: &str) -> Option<&'static str> {
    SETTINGS.get(name).copied().filter(|default| !default.is_empty())
}

/// A name in the settings file that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingWarning {
    /// The path of the file.
    file: String,
    mistake: Mistake,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mistake {
    /// No setting has this name.
    Unknown { name: String },
    /// Several lines of the file set this name.
    Repeated { name: String },
    /// The setting has an effect only as an environment variable.
    OnlyInEnvironment { name: &'static str },
}

impl SettingWarning {
    /// The code of the warning, for programs.
    pub fn code(&self) -> &'static str {
        match self.mistake {
            Mistake::Unknown { .. } => "unknown_setting",
            Mistake::Repeated { .. } => "repeated_setting",
            Mistake::OnlyInEnvironment { .. } => "setting_without_effect",
        }
    }
}

impl fmt::Display for SettingWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, mistake } = self;
        match mistake {
            Mistake::Unknown { name } => {
                write!(f, "the file {file} sets {name}, which is not a setting and has no effect; ")?;
                match nearest(name, SETTINGS.keys().copied()) {
                    Some(meant) => write!(f, "did you mean {meant}?"),
                    None => f.write_str(".env.example lists all settings"),
                }
            }
            Mistake::Repeated { name } => {
                write!(f, "the file {file} sets {name} more than once; the last line applies, so remove the others")
            }
            Mistake::OnlyInEnvironment { name } => {
                write!(f, "the file {file} sets {name}, which has an effect only as an environment variable")
            }
        }
    }
}

/// A line of the settings file that cannot be parsed. Its content is not shown, because it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidLine {
    /// The path of the file.
    file: String,
    /// The number of the line, from 1 on.
    number: usize,
    /// The setting that the line names. `None` if the line names no known setting.
    pub(super) name: Option<String>,
    fault: LineFault,
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str =
            "each line must be NAME=VALUE, and a value with spaces, quotes, # or $ needs single quotes around it";
        const OPEN_QUOTE: &str =
            "the quote that it opens is not closed on this line, and no value may have several lines";
        const UNSET_REFERENCE: &str =
            "it refers with $ to a name that is not set; a value that contains a $ needs single quotes around it";
        let Self { file, number, name, fault } = self;
        let setting = name.as_ref().map(|name| format!(" with {name}")).unwrap_or_default();
        let reason = match fault {
            LineFault::Form => FORM,
            LineFault::OpenQuote => OPEN_QUOTE,
            LineFault::UnsetReference => UNSET_REFERENCE,
        };
        write!(f, "line {number}{setting} of the file {file} cannot be parsed; {reason}")
    }
}

/// The file that supplies the settings that the environment of the process does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFile {
    path: PathBuf,
    /// Whether `SETTINGS_FILE` names the file. A named file must exist at the start.
    is_named: bool,
}

impl SettingsFile {
    /// The file that the environment variable `SETTINGS_FILE` names, or `.env` in the current folder.
    pub fn of_process() -> Self {
        match std::env::var_os(SETTINGS_FILE).filter(|path| !path.is_empty()) {
            Some(path) => Self { path: path.into(), is_named: true },
            None => Self { path: DEFAULT_FILE.into(), is_named: false },
        }
    }

    /// A file that does not have to exist.
    pub fn with_path(path: PathBuf) -> Self {
        Self { path, is_named: false }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `None` if the metadata cannot be read, for example because the file does not exist.
    pub fn metadata(&self) -> Option<FileMetadata> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        let modified = DateTime::<Utc>::from(metadata.modified().ok()?);
        Some(FileMetadata { owner: metadata.uid(), changed_at: modified.into() })
    }

    /// The content of the file. `None` if the file is not found, or is a special file such as `/dev/null`. A folder is
    /// an error.
    pub fn read_text(&self) -> anyhow::Result<Option<String>> {
        let unreadable = |reason: &str, advice: &str| {
            anyhow!(
                "the settings file {} cannot be read: {reason}; {advice}, or remove the file",
                shown_path(&self.path)
            )
        };
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => {
                return Err(unreadable(&describe_file_error(&self.path, &error), "correct it or its permissions"));
            }
        };
        if metadata.is_dir() {
            return Err(unreadable("it is a folder", "replace it with a file"));
        }
        if !metadata.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&self.path)
            .map_err(|error| unreadable(&describe_file_error(&self.path, &error), "correct it or its permissions"))?;
        String::from_utf8(bytes).map(Some).map_err(|error| {
            let bytes = error.as_bytes();
            let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
            let numbers = lines.filter(|(line, _)| str::from_utf8(line).is_err()).map(|(_, number)| number);
            let numbers: Vec<usize> = numbers.collect();
            let error = if let [number] = numbers[..] {
                unreadable(&format!("line {number} is not text in UTF-8"), "correct the line")
            } else {
                let numbers = numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
                unreadable(&format!("lines {numbers} are not text in UTF-8"), "correct the lines")
            };
            // The other lines that cannot be parsed are named too.
            let parsed = self.parse(&String::from_utf8_lossy(bytes));
            let others = parsed.invalid_lines.iter().filter(|line| !numbers.contains(&line.number));
            let messages: Vec<_> = iter::once(error.to_string()).chain(others.map(InvalidLine::to_string)).collect();
            anyhow!(messages.join("\n  "))
        })
    }

    pub fn parse(&self, text: &str) -> EnvFile {
        EnvFile::parse(text, &self.path.display().to_string())
    }

    /// Reads and parses the file. If the default file does not exist, returns no values and no warnings.
    pub(super) fn read_at_start(&self) -> anyhow::Result<EnvFile> {
        match self.read_text()? {
            Some(text) => Ok(self.parse(&text)),
            None if self.is_named => {
                let reason = if self.path.exists() { "is not a regular file" } else { "does not exist" };
                anyhow::bail!("{SETTINGS_FILE} names the file {}, which {reason}", shown_path(&self.path))
            }
            None => Ok(EnvFile::default()),
        }
    }
}

/// The path as text. If it is not UTF-8, escape sequences show its bytes.
fn shown_path(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.to_str().map_or_else(|| bytes.escape_ascii().to_string(), str::to_owned)
}

/// The owner and the modification time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMetadata {
    /// The id of a user of the operating system.
    pub owner: u32,
    pub changed_at: Timestamp,
}

/// The content of the settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    pub(super) values: HashMap<String, String>,
    /// The unknown names in sorted order, then the repeated names in sorted order, then `SETTINGS_FILE`. Unknown and
    /// repeated names after an open quote are omitted, because they may be parts of a secret.
    pub(super) warnings: Vec<SettingWarning>,
    /// In the order of the file. A process does not start with an invalid line, and a running process refuses the
    /// changed file.
    pub(super) invalid_lines: Vec<InvalidLine>,
}

impl EnvFile {
    /// Whether the file sets nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn parse(text: &str, file: &str) -> Self {
        let ParsedLines { pairs, pairs_after_open_quote, invalid } = ParsedLines::of(text);
        let (mut values, mut repeated) = (HashMap::new(), BTreeSet::new());
        for (name, value) in pairs {
            if values.insert(name.clone(), value).is_some() {
                repeated.insert(name);
            }
        }
        let unknown: BTreeSet<_> =
            values.keys().filter(|name| !SETTINGS.contains_key(name.as_str())).cloned().collect();
        values.extend(pairs_after_open_quote);
        let names_itself = values.get(SETTINGS_FILE).is_some_and(|value| !value.trim().is_empty());
        let misplaced = names_itself.then_some(Mistake::OnlyInEnvironment { name: SETTINGS_FILE });
        let mistakes = unknown.into_iter().map(|name| Mistake::Unknown { name });
        let mistakes = mistakes.chain(repeated.into_iter().map(|name| Mistake::Repeated { name }));
        let warnings =
            mistakes.chain(misplaced).map(|mistake| SettingWarning { file: file.to_owned(), mistake }).collect();
        let invalid_lines = invalid.into_iter().map(|line| InvalidLine {
            file: file.to_owned(),
            number: line.number,
            name: name_in(line.text).filter(|name| SETTINGS.contains_key(name)).map(str::to_owned),
            fault: line.fault,
        });
        Self { values, warnings, invalid_lines: invalid_lines.collect() }
    }
}

#[cfg(test)]
mod tests;
