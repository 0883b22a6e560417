//! The permissions of the SQLite files. Other users of the machine must not read orders.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::open_error::OpenError;

const OWNER_ONLY_FOLDER: u32 = 0o700;
pub(super) const OWNER_ONLY_FILE: u32 = 0o600;
/// The permissions of users who neither own the file nor belong to its group.
const OTHERS: u32 = 0o007;
/// The first bytes of every SQLite database.
const HEADER: &[u8] = b"SQLite format 3\0";
/// The suffixes of the files that SQLite creates beside the database file, with the permissions of the database file.
const SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Creates the database file and its folder if they do not exist. New files and folders are accessible
/// only to the user of the process.
///
/// If the database file, or a file that SQLite creates beside it, exists already, removes its permissions for other
/// users. The permissions of its group stay, for example for backups.
pub fn prepare(path: &Path) -> Result<(), OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let created = DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(folder);
        created.map_err(|error| OpenError::of_folder(folder, &error))?;
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path);
    match created {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            require_database(path)?;
            restrict(path);
            require_writable(path)?;
        }
        Err(error) => return Err(OpenError::of_file(path, &error)),
    }
    // Even beside a new database file, files of an earlier database may be left over.
    for file in files_beside(path) {
        restrict(&file);
    }
    Ok(())
}

/// The files that SQLite creates beside a database file.
pub fn files_beside(path: &Path) -> [PathBuf; 3] {
    SUFFIXES.map(|suffix| with_suffix(path, suffix))
}

/// Checks that an existing file is empty or a database. `DATABASE_URL` can name another file by mistake, which must keep its
/// permissions.
fn require_database(path: &Path) -> Result<(), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| OpenError::of_file(path, &error))?;
    if metadata.is_dir() {
        return Ok(());
    }
    if !metadata.is_file() {
        return Err(OpenError::SpecialFile { path: path.to_owned() });
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEADER.len() as u64).read_to_end(&mut start));
    // A file that cannot be read is reported when it is opened for writing.
    if read.is_ok() && !start.is_empty() && start != HEADER {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    Ok(())
}

/// Checks that the process may write the file. SQLite would open a read-only file too, and fail only at the first
/// write.
fn require_writable(path: &Path) -> Result<(), OpenError> {
    if !path.is_file() {
        return Ok(());
    }
    let opened = OpenOptions::new().write(true).open(path);
    opened.map(drop).map_err(|error| OpenError::of_file(path, &error))
}

/// Appends a suffix to the file name of a path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// Removes the permissions of users who neither own the file nor belong to its group. Does nothing if the file does not
/// exist.
fn restrict(path: &Path) {
    // A device or a folder keeps its permissions, because they concern other programs.
    let Some(metadata) = fs::metadata(path).ok().filter(fs::Metadata::is_file) else { return };
    let mut permissions = metadata.permissions();
    if permissions.mode() & OTHERS == 0 {
        return;
    }
    permissions.set_mode(permissions.mode() & !OTHERS);
    let result = fs::set_permissions(path, permissions);
    let file = path.display();
    match result {
        Ok(()) => tracing::info!(%file, "only the owner and the group of the file have access to it from now on"),
        Err(error) => {
            tracing::warn!(%file, %error, "users outside the group of the file have access to it; run chmod o= on it");
        }
    }
}

#[cfg(test)]
mod tests;
