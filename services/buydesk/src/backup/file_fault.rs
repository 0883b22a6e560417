//! Why a file cannot be used as a backup, and what to do about it.

use std::{fmt, path::PathBuf};

use common::error_chain::format_chain;

use super::as_sentence;
use crate::client::ClientError;

#[derive(Debug)]
pub enum FileFault {
    Missing(PathBuf),
    NotABackup(PathBuf),
    /// The file is damaged, cut off, or cannot be read. The cause of the error states which.
    Unusable(PathBuf),
    /// `needed` is the id of the key that encrypted the file. `found` is the id of the key in the key file.
    OtherKey {
        path: PathBuf,
        needed: String,
        found: String,
    },
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "the backup file {} does not exist", path.display()),
            Self::NotABackup(path) => write!(f, "{} is not a backup file of Buydesk", path.display()),
            Self::Unusable(path) => write!(f, "the backup file {} cannot be used", path.display()),
            Self::OtherKey { path, needed, found } => write!(
                f,
                "the backup file {} was encrypted with the key {needed}, and the key file contains the key {found}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FileFault {}

impl FileFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "backup_missing",
            Self::NotABackup(_) => "not_a_backup",
            Self::Unusable(_) => "backup_unusable",
            Self::OtherKey { .. } => "wrong_key",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Missing(_) | Self::NotABackup(_) => {
                "Name a file that `buydesk backup` wrote, such as one in BACKUP_DIR (database/backups by default)."
                    .to_owned()
            }
            Self::Unusable(_) => {
                "Use another copy of this backup, or an earlier backup. `buydesk backup check FILE` checks a file."
                    .to_owned()
            }
            Self::OtherKey { needed, .. } => {
                format!("Set BACKUP_KEY_FILE or --key-file to the file with the key {needed}.")
            }
        }
    }
}

/// Adds a code and a next step to the error of a file that is not usable as a backup. Returns other errors unchanged.
pub fn advise(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<FileFault>() {
        Some(fault) => {
            ClientError::new(fault.code(), as_sentence(&format_chain(error.as_ref())), fault.next_step()).into()
        }
        None => error,
    }
}
