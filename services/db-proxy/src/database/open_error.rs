//! Why an SQLite file cannot be used, and what to do about it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use common::{
    io_errors::{describe_file_error, describe_io_error, is_disk_full},
    paths::folder_of,
};

use super::{
    codes::{sqlite, sqlite_class},
    postgres::describe_connect_failure,
};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the folder {} of the database file cannot be created: {}", folder.display(), FileFault(*kind, reason))]
    Folder { folder: PathBuf, kind: io::ErrorKind, reason: String },
    #[error("the file {} cannot be opened for writing: {}", path.display(), FileFault(*kind, reason))]
    File { path: PathBuf, kind: io::ErrorKind, reason: String },
    /// The database file, or a folder of its path, is a symbolic link whose target does not exist.
    #[error(
        "{} is a link to {}, which does not exist. Correct or remove the link, or set DATABASE_URL to another file",
        link.display(),
        target.display()
    )]
    DanglingLink { link: PathBuf, target: PathBuf },
    #[error(
        "the database file {} is in use by {}. One file can have only one db-proxy. Stop that process, or set DATABASE_URL to \
         another file; several db-proxies need PostgreSQL",
        path.display(),
        process.map_or("another process".to_owned(), |id| format!("the process {id}"))
    )]
    InUse { path: PathBuf, process: Option<u32> },
    #[error("the file {} is not an SQLite database. Set DATABASE_URL to another file", path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} is a device or another special file. Set DATABASE_URL to the path of a file", path.display())]
    SpecialFile { path: PathBuf },
    #[error(
        "the database file {} is damaged. Restore it from a backup, or set DATABASE_URL to another file",
        path.display()
    )]
    Damaged { path: PathBuf },
    /// SQLite cannot write the database file or a file beside it, such as the write-ahead log.
    #[error(
        "the database file {} cannot be written, although the file itself is writable: SQLite creates files beside it, and the \
         folder or one of those files (-wal, -shm) is read-only for the user of this process. Change their owner or permissions, \
         or set DATABASE_URL to a file in another folder",
        path.display()
    )]
    NotWritable { path: PathBuf },
    /// Another error of SQLite.
    #[error("the database file {} cannot be opened: {reason}", path.display())]
    Sqlite { path: PathBuf, reason: String },
}

/// The reason and the remedy of an error of the file system.
struct FileFault<'a>(io::ErrorKind, &'a str);

impl fmt::Display for FileFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, reason) = self;
        let remedy = match kind {
            io::ErrorKind::PermissionDenied => {
                "Change the owner or the permissions, or set DATABASE_URL to a file in another folder"
            }
            io::ErrorKind::ReadOnlyFilesystem => "Set DATABASE_URL to a file on another file system",
            io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => "Correct the path in DATABASE_URL",
            io::ErrorKind::IsADirectory => "Set DATABASE_URL to the path of a file",
            kind if is_disk_full(*kind) => "Free space, or set DATABASE_URL to a file on another disk",
            _ => "Correct the path in DATABASE_URL, or set it to another file",
        };
        write!(f, "{reason}. {remedy}")
    }
}

impl OpenError {
    pub fn of_folder(folder: &Path, error: &io::Error) -> Self {
        let (folder, kind) = (folder.to_owned(), error.kind());
        // Creating an existing folder succeeds, so the path is a file or a link without a target.
        if kind == io::ErrorKind::AlreadyExists {
            if let Some(error) = Self::of_dangling_link(&folder) {
                return error;
            }
            return Self::of_folder(&folder, &io::ErrorKind::NotADirectory.into());
        }
        Self::Folder { folder, kind, reason: describe_io_error(error) }
    }

    pub fn of_file(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound
            && let Some(error) = Self::of_dangling_link(path)
        {
            return error;
        }
        let folder = folder_of(path);
        let reason = match error.kind() {
            // The file system, such as `/proc`, permits no new file.
            io::ErrorKind::NotFound if folder.exists() => {
                format!("no file can be created in the folder {}", folder.display())
            }
            _ => describe_file_error(path, error),
        };
        Self::File { path: path.to_owned(), kind: error.kind(), reason }
    }

    /// `None` if no part of the path is a link without a target.
    fn of_dangling_link(path: &Path) -> Option<Self> {
        let link = path.ancestors().find(|path| path.is_symlink() && !path.exists())?;
        Some(Self::DanglingLink { link: link.to_owned(), target: fs::read_link(link).ok()? })
    }

    /// Explains why SQLite failed to use an existing file. Opens the file again, because SQLite does not report
    /// which error of the file system occurred.
    pub fn of_sqlite(path: &Path, error: &sqlx::Error) -> Self {
        let path = path.to_owned();
        match sqlite_class(error) {
            Some(sqlite::NOT_A_DATABASE) => Self::NotADatabase { path },
            Some(sqlite::DAMAGED) => Self::Damaged { path },
            Some(sqlite::DISK_FULL) => Self::of_file(&path, &io::ErrorKind::StorageFull.into()),
            class => match fs::OpenOptions::new().read(true).write(true).open(&path) {
                Err(error) => Self::of_file(&path, &error),
                Ok(_) if matches!(class, Some(sqlite::READ_ONLY | sqlite::CANNOT_OPEN)) => Self::NotWritable { path },
                Ok(_) => Self::Sqlite { path, reason: describe_connect_failure(error) },
            },
        }
    }
}

#[cfg(test)]
mod tests;
