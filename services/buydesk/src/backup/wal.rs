//! The archive of the write-ahead log of PostgreSQL: one encrypted file for each file of the log.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use super::{
    file::{self, BackupFile, Content},
    header::ContentKind,
    key::BackupKey,
    new_header,
};

/// The end of the names of archived files.
const EXTENSION: &str = "encrypted";
/// How many bytes of a file are copied at once.
const COPIED_BYTES: usize = 64 * 1024;

/// Stores the file of the log at `path` in the archive. Does nothing if the archive already contains this file. Fails if the
/// archive contains a different file with this name.
pub fn archive(path: &Path, folder: &Path, key: &BackupKey) -> anyhow::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| is_log_name(name));
    let name = name.with_context(|| format!("{} is not a file of a write-ahead log", path.display()))?;
    let target = path_in_archive(folder, name);
    if file::exists(&target)? {
        let (archived, source) = (BackupFile::open(&target)?, content_of(path)?);
        ensure!(
            archived.header().source == name && archived.read_all(key)? == source,
            "the archive already has a different file {}; possibly two servers write to the same archive",
            target.display()
        );
        return Ok(());
    }
    let header = new_header(ContentKind::Wal, name.to_owned(), key);
    file::write_new(&target, header, key, |writer| {
        let mut source = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        io::copy(&mut source, writer)?;
        Ok(())
    })?;
    Ok(())
}

/// Writes the file `name` of the archive to `path`. Returns false if the archive has no such file.
pub fn fetch(name: &str, path: &Path, folder: &Path, key: &BackupKey) -> anyhow::Result<bool> {
    ensure!(is_log_name(name), "{name:?} is not the name of a file of a write-ahead log");
    ensure!(folder.is_dir(), "the archive {} does not exist", folder.display());
    let archived = path_in_archive(folder, name);
    if !file::exists(&archived)? {
        return Ok(false);
    }
    let archived_file = BackupFile::open(&archived)?;
    let header = archived_file.header();
    ensure!(
        header.content == ContentKind::Wal && header.source == name,
        "{} contains {}, although its name is that of {name}",
        archived.display(),
        header.source
    );
    archived_file.read(key, |reader| {
        let mut target = File::create(path).with_context(|| format!("{} cannot be created", path.display()))?;
        let mut part = vec![0; COPIED_BYTES];
        loop {
            // An error of the reader is about the archive, and not about `path`.
            let length = reader.read(&mut part)?;
            if length == 0 {
                break;
            }
            target.write_all(&part[..length]).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(target.sync_all()?)
    })?;
    Ok(true)
}

/// The length and the hash of a file that is not encrypted.
fn content_of(path: &Path) -> anyhow::Result<Content> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(file::measure(file)?)
}

fn path_in_archive(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{EXTENSION}"))
}

/// Whether this can be the name of a file that PostgreSQL archives, such as `000000010000000000000003` or
/// `00000002.history`.
fn is_log_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
