//! Encrypted files. A file is written under a temporary name, read back, and then renamed.
//!
//! The content is compressed before it is encrypted, because encrypted bytes cannot be compressed. `docs/backups.md` describes the format.

use std::{
    fs::{DirBuilder, File},
    io::{self, BufReader, ErrorKind, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use anyhow::{Context, anyhow, bail, ensure};
use common::{io_errors::describe_io_error, paths::folder_of, text::to_hex};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use ring::digest;
use rustix::fs::{Advice, CWD, RenameFlags, fadvise, renameat_with};

use super::{
    file_fault::FileFault,
    header::{Header, Preamble},
    key::{BackupKey, random},
    stream::{OpeningReader, SealingWriter},
    target_fault,
};

const OWNER_ONLY_FOLDER: u32 = 0o700;
/// The end of the names of files that are being written.
const PARTIAL: &str = ".partial";

/// The length and the hash of the content of a file. For a backup file, this is the content before compression and
/// encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The length of the content in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
}

/// A file that was written and read back.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    pub content: Content,
    /// The length of the encrypted file.
    pub bytes: u64,
}

/// Writes a new file. `write_content` writes the content. The file gets the name `target` when it is complete, on disk, and was
/// read back. Fails if `target` exists.
pub fn write_new(
    target: &Path,
    header: Header,
    key: &BackupKey,
    write_content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<WrittenFile> {
    let name = target.display();
    let Some(file_name) = target.file_name() else { bail!("{name} is not the path of a file") };
    let folder = folder_of(target);
    create_folder(folder)?;
    ensure!(!exists(target)?, "{name} exists already");
    let prefix = format!(".{}.", file_name.to_string_lossy());
    let temporary = tempfile::Builder::new().prefix(&prefix).suffix(PARTIAL).tempfile_in(folder);
    let temporary = temporary.map_err(|error| target_fault::no_file_in(folder, &error))?;
    let preamble = Preamble::new(header, random()?)?;
    let content = write_encrypted(temporary.as_file(), &preamble, key, write_content);
    let content = content.with_context(|| format!("{name} was not written"))?;
    let bytes = temporary.as_file().metadata()?.len();
    let verify = || {
        // Removes the file from the page cache, so that the file is read from the disk.
        let _ = fadvise(temporary.as_file(), 0, None, Advice::DontNeed);
        let read = BackupFile::open(temporary.path())?.read_all(key)?;
        ensure!(read == content, "its content is not what was written");
        Ok(())
    };
    verify().with_context(|| format!("{name} was not kept, because it cannot be read back"))?;
    place(temporary.path(), target)?;
    // The file now has another name, so the temporary name need not be deleted.
    let _ = temporary.into_temp_path().keep();
    Ok(WrittenFile { content, bytes })
}

fn write_encrypted(
    mut file: &File,
    preamble: &Preamble,
    key: &BackupKey,
    write_content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<Content> {
    file.write_all(&preamble.bytes)?;
    let sealing = SealingWriter::new(file, key.file_key(&preamble.salt), preamble.bytes.clone());
    let mut measured = Measured::new(GzEncoder::new(sealing, Compression::fast()));
    write_content(&mut measured)?;
    let (compressing, content) = measured.finish();
    let file = compressing.finish()?.finish()?;
    file.sync_all()?;
    Ok(content)
}

/// Renames a file or folder to its final name, and writes the new name to disk. The content must already be on disk.
/// Fails if `target` exists.
pub fn place(path: &Path, target: &Path) -> anyhow::Result<()> {
    let name = target.display();
    renameat_with(CWD, path, CWD, target, RenameFlags::NOREPLACE).map_err(|error| match io::Error::from(error) {
        error if error.kind() == ErrorKind::AlreadyExists => anyhow!("{name} exists already"),
        error => anyhow!("{name} cannot be created: {}", describe_io_error(&error)),
    })?;
    let folder = folder_of(target);
    let synchronized = File::open(folder).and_then(|folder| folder.sync_all());
    synchronized.with_context(|| format!("the folder {} cannot be written to disk", folder.display()))
}

/// Creates a folder and its parents if they do not exist. Only the user of the process has access to the new folders.
pub fn create_folder(folder: &Path) -> anyhow::Result<()> {
    let created = DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(folder);
    Ok(created.map_err(|error| target_fault::no_folder(folder, &error))?)
}

/// Whether a file, a folder or a link has this path.
pub fn exists(path: &Path) -> anyhow::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(anyhow!("{} cannot be read: {}", path.display(), describe_io_error(&error))),
    }
}

/// A file whose header was read. The header is not authenticated yet.
pub struct BackupFile<'a> {
    path: &'a Path,
    file: BufReader<File>,
    preamble: Preamble,
}

impl<'a> BackupFile<'a> {
    pub fn open(path: &'a Path) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => FileFault::Missing(path.to_owned()).into(),
            _ => anyhow!("the backup file {name} cannot be read: {}", describe_io_error(&error)),
        })?;
        ensure!(!file.metadata()?.is_dir(), FileFault::NotABackup(path.to_owned()));
        let mut file = BufReader::new(file);
        let preamble = Preamble::read(&mut file, path)?;
        Ok(Self { path, file, preamble })
    }

    pub fn header(&self) -> &Header {
        &self.preamble.header
    }

    /// Decrypts the file and passes the content to `read_content`. Then reads the rest of the content, and checks that
    /// no bytes follow it in the file. Returns the result of `read_content`, and the length and the hash of the whole
    /// content.
    pub fn read<T>(
        self,
        key: &BackupKey,
        read_content: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Content)> {
        let Self { path, file, preamble: Preamble { header, salt, bytes } } = self;
        let key_id = key.id();
        ensure!(
            header.key_id == key_id,
            FileFault::OtherKey { path: path.to_owned(), needed: header.key_id, found: key_id }
        );
        let unusable = || FileFault::Unusable(path.to_owned());
        // A full disk is a fault of the file that `read_content` writes.
        let of_content = |error: anyhow::Error| {
            if target_fault::is_of_full_disk(&error) { error } else { error.context(unusable()) }
        };
        let opening = OpeningReader::new(file, key.file_key(&salt), bytes).with_context(unusable)?;
        let mut measured = Measured::new(GzDecoder::new(opening));
        let output = read_content(&mut measured).map_err(of_content)?;
        io::copy(&mut measured, &mut io::sink()).with_context(unusable)?;
        let (mut decompressing, content) = measured.finish();
        // The end of the file is authenticated only when a read reaches the end.
        let rest = io::copy(decompressing.get_mut(), &mut io::sink()).with_context(unusable)?;
        if rest > 0 {
            return Err(anyhow!("bytes follow the end of its content").context(unusable()));
        }
        Ok((output, content))
    }

    /// Decrypts and checks the whole file.
    pub fn read_all(self, key: &BackupKey) -> anyhow::Result<Content> {
        self.read(key, |_| Ok(())).map(|((), content)| content)
    }
}

/// The length and the hash of a file that is not encrypted.
pub fn measure(file: File) -> io::Result<Content> {
    let mut measured = Measured::new(file);
    io::copy(&mut measured, &mut io::sink())?;
    Ok(measured.finish().1)
}

/// Counts and hashes the bytes that are written or read.
struct Measured<T> {
    inner: T,
    digest: digest::Context,
    bytes: u64,
}

impl<T> Measured<T> {
    fn new(inner: T) -> Self {
        Self { inner, digest: digest::Context::new(&digest::SHA256), bytes: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn finish(self) -> (T, Content) {
        (self.inner, Content { bytes: self.bytes, sha256: to_hex(self.digest.finish().as_ref()) })
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.add(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
