//! Errors of files and connections in words for users, without error numbers.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use crate::paths::folder_of;

/// The description of a failed lookup of a host name.
pub const UNKNOWN_HOST: &str = "its host name is unknown";
/// The description of a host that cannot be reached from this machine.
pub const NO_ROUTE: &str = "there is no network route to the host";
/// The description of an operation that took too long.
pub const NO_RESPONSE: &str = "there was no response in time";

/// Why an operation failed, such as `the disk is full`.
pub fn describe_io_error(error: &io::Error) -> String {
    if let Some(cause) = error.get_ref() {
        // The TLS client of HTTP connections wraps the error twice.
        if let Some(inner) = cause.downcast_ref::<io::Error>() {
            return describe_io_error(inner);
        }
        return match cause.downcast_ref() {
            Some(rustls::Error::InvalidMessage(_)) => {
                "it does not use TLS, so its address begins with http:// and not with https://".to_owned()
            }
            _ if error.to_string().starts_with(FAILED_LOOKUP) => UNKNOWN_HOST.to_owned(),
            // Other causes have their own message.
            _ => error.to_string(),
        };
    }
    let usual = match error.kind() {
        ErrorKind::NotFound => "a part of the path does not exist",
        ErrorKind::PermissionDenied => "the user of this process may not do that",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::NotADirectory => "a part of the path is a file and not a folder",
        ErrorKind::IsADirectory => "it is a folder",
        kind if is_disk_full(kind) => "the disk is full",
        ErrorKind::AddrInUse => "another program uses the address",
        ErrorKind::AddrNotAvailable => "this machine does not have the address",
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => "the connection was closed",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => NO_ROUTE,
        ErrorKind::TimedOut => NO_RESPONSE,
        _ => return without_number(error),
    };
    usual.to_owned()
}

/// Whether an operation failed because the disk, or the part of it that the user may fill, is full.
pub fn is_disk_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Why an operation on the file `path` failed. If the folder of the file does not exist, the text names the folder.
pub fn describe_file_error(path: &Path, error: &io::Error) -> String {
    let folder = folder_of(path);
    match error.kind() {
        ErrorKind::NotFound if !folder.exists() => format!("the folder {} does not exist", folder.display()),
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
        _ => describe_io_error(error),
    }
}

/// The beginning of the message of the standard library for a host name that cannot be resolved.
const FAILED_LOOKUP: &str = "failed to lookup address information";

/// The text of the error without the number that the standard library adds.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|number| format!(" (os error {number})"));
    number.and_then(|number| text.strip_suffix(&number).map(str::to_owned)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
