//! The permissions of the SQLite file. Orders are not for every user of the machine.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;

const OWNER_ONLY_FOLDER: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;
/// The permissions of users who neither own the file nor belong to its group.
const OTHERS: u32 = 0o007;
/// The files that SQLite creates beside the database, with the permissions of the database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Creates the file and its folder if they do not exist, so that only the user of the process can read them. From existing
/// files, takes the permissions of other users. The group keeps its own, for example for backups.
pub fn prepare(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let created = DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(folder);
        created.with_context(|| format!("the folder {} cannot be created", folder.display()))?;
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path);
    match created {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => restrict_existing(path),
        Err(error) => {
            return Err(error).with_context(|| format!("the database file {} cannot be created", path.display()));
        }
    }
    Ok(())
}

fn restrict_existing(path: &Path) {
    let companions = COMPANIONS.map(|suffix| {
        let mut companion = path.as_os_str().to_owned();
        companion.push(suffix);
        PathBuf::from(companion)
    });
    for file in std::iter::once(path).chain(companions.iter().map(PathBuf::as_path)) {
        let Ok(metadata) = fs::metadata(file) else { continue };
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
