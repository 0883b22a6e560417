//! Temporary folders for the data of a backup. Other users of the machine must not read orders, or connect to a server
//! whose socket is in the folder.

use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use tempfile::Builder;

/// A builder of temporary folders that only the user of the process can enter, whatever the umask is.
pub fn private_folder(prefix: &str) -> Builder<'_, 'static> {
    let mut builder = Builder::new();
    builder.prefix(prefix).permissions(Permissions::from_mode(0o700));
    builder
}

#[cfg(test)]
mod tests;
