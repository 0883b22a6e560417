//! The lock that prevents a second db-proxy from using an SQLite file.
//!
//! Several processes could write one SQLite file safely, but they would wait for each other by polling. A second
//! db-proxy usually belongs to a second `buydesk up` that was started by mistake and polls the exchanges too.
//!
//! The lock is on a separate file beside the database file. The operating system releases the lock when the process
//! exits, also after a crash.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use common::paths::folder_of;
use tokio::time::{Instant, sleep};

use super::super::{
    open_error::OpenError,
    private_file::{OWNER_ONLY_FILE, with_suffix},
};

/// How long a start waits for the lock. A process that was killed may not have exited yet.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The lock of this process. Dropping it releases the lock, and the lock file stays for the next process.
#[derive(Debug)]
pub struct FileLock {
    /// `None` if the file cannot be locked, for example because its file system does not support locks.
    file: Option<File>,
    lock_path: PathBuf,
}

impl FileLock {
    /// Locks the database file at `path`, which need not exist. Fails if another process has locked it.
    pub async fn acquire(path: &Path) -> Result<Self, OpenError> {
        let path = &resolve(path).map_err(|error| OpenError::of_file(path, &error))?;
        let lock_path = with_suffix(path, ".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY_FILE);
        let give_up_at = Instant::now() + LOCK_TIMEOUT;
        loop {
            let mut file = options.open(&lock_path).map_err(|error| OpenError::of_file(&lock_path, &error))?;
            let is_locked = match file.try_lock() {
                Ok(()) => is_current(&file, &lock_path),
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => {
                    let path = path.display();
                    tracing::warn!(%path, %error, "the database file cannot be locked; start no second db-proxy with it");
                    return Ok(Self { file: None, lock_path });
                }
            };
            if is_locked {
                write_process(&mut file).map_err(|error| OpenError::of_file(&lock_path, &error))?;
                return Ok(Self { file: Some(file), lock_path });
            }
            if Instant::now() >= give_up_at {
                return Err(OpenError::InUse { path: path.to_owned(), process: read_process(&mut file) });
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Deletes the lock file and releases the lock, for a database file that was not created. A process that waits for the
    /// deleted file notices this, and locks a new file.
    pub fn remove(self) {
        if self.file.is_some()
            && let Err(error) = fs::remove_file(&self.lock_path)
        {
            tracing::debug!(path = %self.lock_path.display(), %error, "the lock file cannot be deleted");
        }
    }
}

/// Whether `path` still leads to the open file. If another process deleted the lock file, a lock of the open file has no
/// effect on a process that creates a new one.
fn is_current(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

/// The path without symbolic links, because several paths may lead to the same file. If the file does not exist, only
/// its folder is resolved.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(folder_of(path).canonicalize()?.join(name))
        }
        (result, _) => result,
    }
}

fn write_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// The id of the process that holds the lock. `None` if the process has not written its id yet.
fn read_process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests;
