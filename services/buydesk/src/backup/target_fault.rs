//! Why a file or a folder cannot be created or written, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use common::{
    error_chain::format_chain,
    io_errors::{describe_file_error, describe_io_error, is_disk_full},
    paths::folder_of,
};

use super::as_sentence;
use crate::client::ClientError;

const DISK_FULL: &str = "disk_full";
/// How the user names another target of `buydesk backup` and `buydesk restore`.
const OTHER_PATH: &str = "name another path with --to";

/// The kind of the error of a file system in which nothing can be created, such as `/proc`.
const NOTHING_CAN_BE_CREATED: ErrorKind = ErrorKind::Unsupported;

/// The error of a folder that cannot be created, although the folders above it exist.
pub fn no_folder(folder: &Path, error: &io::Error) -> ClientError {
    let name = folder.display();
    let (kind, message) = match error.kind() {
        ErrorKind::NotFound => {
            (NOTHING_CAN_BE_CREATED, format!("The folder {name} does not exist and cannot be created there."))
        }
        kind @ ErrorKind::AlreadyExists => (kind, format!("{name} is not a folder.")),
        kind => (kind, format!("The folder {name} cannot be created: {}.", describe_io_error(error))),
    };
    ClientError::new(code(kind), message, next_step(kind, OTHER_PATH))
}

/// The error of a folder in which no file can be created.
pub fn no_file_in(folder: &Path, error: &io::Error) -> ClientError {
    // The text of the error of a temporary file contains its path. Only its kind is used.
    let (kind, name) = (kind_in(folder, error), folder.display());
    let message = match kind {
        ErrorKind::NotFound => format!("The folder {name} does not exist."),
        NOTHING_CAN_BE_CREATED => format!("No file can be created in {name}."),
        kind => format!("No file can be created in {name}: {}.", describe_io_error(&kind.into())),
    };
    ClientError::new(code(kind), message, next_step(kind, OTHER_PATH))
}

/// The error of a key file that cannot be created.
pub fn no_key_file(path: &Path, error: &io::Error) -> ClientError {
    let folder = folder_of(path);
    let kind = kind_in(folder, error);
    let reason = match kind {
        NOTHING_CAN_BE_CREATED => format!("no file can be created in {}", folder.display()),
        _ => describe_file_error(path, error),
    };
    let message = format!("{} cannot be created: {reason}.", path.display());
    ClientError::new(code(kind), message, next_step(kind, "name a file in another folder"))
}

/// Adds a code and a next step to the error of a full disk. Returns other errors unchanged.
pub fn advise(error: anyhow::Error) -> anyhow::Error {
    if !is_of_full_disk(&error) || error.is::<ClientError>() {
        return error;
    }
    let next_step = next_step(ErrorKind::StorageFull, OTHER_PATH);
    ClientError::new(DISK_FULL, as_sentence(&format_chain(error.as_ref())), next_step).into()
}

/// Whether the disk of a file that was written is full.
pub fn is_of_full_disk(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| is_disk_full(cause.kind()))
}

/// The kind of the error of a new file in `folder`. [`ErrorKind::NotFound`] means that the folder does not exist.
fn kind_in(folder: &Path, error: &io::Error) -> ErrorKind {
    match error.kind() {
        ErrorKind::NotFound if folder.exists() => NOTHING_CAN_BE_CREATED,
        kind => kind,
    }
}

fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "folder_missing",
        kind if is_disk_full(kind) => DISK_FULL,
        _ => "not_writable",
    }
}

/// `other` states how the user names another target.
fn next_step(kind: ErrorKind, other: &str) -> String {
    match kind {
        ErrorKind::NotFound => format!("Create the folder, or {other}."),
        ErrorKind::PermissionDenied => format!("Change the owner or the permissions of the folder, or {other}."),
        kind if is_disk_full(kind) => format!("Free space, or {other} on another disk."),
        _ => format!("Correct the path, or {other}."),
    }
}

#[cfg(test)]
mod tests;
