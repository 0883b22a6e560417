//! The permissions of the SQLite file. Other users of the machine must not read orders.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::open_error::OpenError;

const OWNER_ONLY_FOLDER: u32 = 0o700;
pub(super) const OWNER_ONLY_FILE: u32 = 0o600;
/// The permissions of users who neither own the file nor belong to its group.
const OTHERS: u32 = 0o007;
/// The files that SQLite creates beside the database, with the permissions of the database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Creates the file and its folder if they do not exist, so that only the user of the process can read them. From existing
/// files, takes the permissions of other users. The group keeps its own, for example for backups.
pub fn prepare(path: &Path) -> Result<(), OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let created = DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(folder);
        created.map_err(|error| OpenError::of_folder(folder, &error))?;
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path);
    match created {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => restrict_existing(path),
        Err(error) => return Err(OpenError::of_file(path, &error)),
    }
    Ok(())
}

/// The path of a file beside another one.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut companion = path.as_os_str().to_owned();
    companion.push(suffix);
    PathBuf::from(companion)
}

fn restrict_existing(path: &Path) {
    let companions = COMPANIONS.map(|suffix| with_suffix(path, suffix));
    for file in std::iter::once(path).chain(companions.iter().map(PathBuf::as_path)) {
        // The permissions of a device or a folder concern the whole machine.
        let Some(metadata) = fs::metadata(file).ok().filter(fs::Metadata::is_file) else { continue };
        let mut permissions = metadata.permissions();
        if permissions.mode() & OTHERS == 0 {
            continue;
        }
        permissions.set_mode(permissions.mode() & !OTHERS);
        match fs::set_permissions(file, permissions) {
            Ok(()) => tracing::info!(file = %file.display(), "other users of this machine can no longer read the file"),
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "every user of this machine can read the file; run chmod o= on it");
            }
        }
    }
}

#[cfg(test)]
mod tests;
