use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::PathBuf,
};

use common::time::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::backup::header::ContentKind;

/// A folder with a key and a backup file.
struct Fixture {
    folder: TempDir,
    key: BackupKey,
    content: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = new_key(&folder, "backup.key");
        // Random bytes, which compression does not shorten.
        let content = (0..6_000_u32).flat_map(|_| random::<32>().unwrap()).collect();
        let fixture = Self { folder, key, content };
        fixture.write().unwrap();
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("backups/test.backup")
    }

    fn write(&self) -> anyhow::Result<WrittenFile> {
        write_new(&self.path(), header(&self.key), &self.key, |writer| Ok(writer.write_all(&self.content)?))
    }

    /// Overwrites the file with `bytes`, and returns the error of a read.
    #[track_caller]
    fn error_for(&self, bytes: &[u8]) -> String {
        fs::write(self.path(), bytes).unwrap();
        let result = BackupFile::open(&self.path()).and_then(|file| file.read_all(&self.key));
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains("test.backup"), "{error}");
        error
    }

    fn file_names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path().parent().unwrap()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn new_key(folder: &TempDir, name: &str) -> BackupKey {
    let path = folder.path().join(name);
    BackupKey::create(&path).unwrap();
    BackupKey::read(&path).unwrap()
}

fn header(key: &BackupKey) -> Header {
    let (created_at, program) = (Timestamp::now(), "0.1.0".to_owned());
    Header { content: ContentKind::Sqlite, source: "buydesk.db".to_owned(), created_at, program, key_id: key.id() }
}

#[test]
fn file_has_the_written_content_and_only_its_owner_has_access() {
    let fixture = Fixture::new();
    let path = fixture.path();
    let file = BackupFile::open(&path).unwrap();
    assert_eq!(file.header().source, "buydesk.db");
    let mut read = Vec::new();
    let (_, content) = file.read(&fixture.key, |reader| Ok(reader.read_to_end(&mut read)?)).unwrap();
    assert!(read == fixture.content);
    assert_eq!(content.bytes, read.len() as u64);
    let permissions = fs::metadata(fixture.path()).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    assert_eq!(fixture.file_names(), ["test.backup"]);
}

#[test]
fn error_names_damage_a_wrong_key_or_a_file_of_another_kind() {
    let fixture = Fixture::new();
    let bytes = fs::read(fixture.path()).unwrap();
    let flipped = |index: usize| {
        let mut bytes = bytes.clone();
        bytes[index] ^= 1;
        bytes
    };
    let middle = bytes.len() / 2;
    assert!(fixture.error_for(&flipped(middle)).contains("it is damaged or cut off in part 2 of 64 KiB"));
    // First a byte of the salt, then a byte of the time in the header.
    assert!(fixture.error_for(&flipped(20)).contains("damaged or cut off in part 1"));
    let time = bytes.windows(3).position(|window| window == b"\"20");
    assert!(fixture.error_for(&flipped(time.unwrap() + 3)).contains("damaged"));
    assert!(fixture.error_for(&bytes[..middle]).contains("damaged or cut off"));
    assert!(fixture.error_for(&bytes[..bytes.len() - 1]).contains("damaged or cut off"));
    assert!(fixture.error_for(&bytes[..40]).contains("is cut off in its header"));
    assert!(fixture.error_for(&[&bytes[..], b"more"].concat()).contains("damaged"));
    assert!(fixture.error_for(b"SQLite format 3\0").contains("is not a backup file of Buydesk"));
    assert!(fixture.error_for(b"").contains("is not a backup file of Buydesk"));
    let newer = fixture.error_for(&flipped(14));
    assert!(newer.contains("has the format 257, and this release reads the format 1 only"), "{newer}");

    fs::write(fixture.path(), bytes).unwrap();
    let other = new_key(&fixture.folder, "other.key");
    let error = BackupFile::open(&fixture.path()).unwrap().read_all(&other).unwrap_err().to_string();
    let (key_of_file, other_key) = (fixture.key.id(), other.id());
    assert!(
        error.contains(&format!("was encrypted with the key {key_of_file}")) && error.contains(&other_key),
        "{error}"
    );
}

#[test]
fn existing_file_is_not_replaced_and_failed_write_leaves_no_file() {
    let fixture = Fixture::new();
    let before = fs::read(fixture.path()).unwrap();
    let error = fixture.write().unwrap_err().to_string();
    assert!(error.contains("test.backup exists already"), "{error}");
    assert!(fs::read(fixture.path()).unwrap() == before);

    let path = fixture.folder.path().join("backups/failed.backup");
    let result = write_new(&path, header(&fixture.key), &fixture.key, |writer| {
        writer.write_all(&fixture.content)?;
        bail!("the source failed")
    });
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("failed.backup was not written: the source failed"), "{error}");
    assert_eq!(fixture.file_names(), ["test.backup"]);
}

#[test]
fn file_whose_bytes_changed_on_disk_is_not_kept() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("backups/changed.backup");
    let folder = path.parent().unwrap().to_owned();
    let result = write_new(&path, header(&fixture.key), &fixture.key, |writer| {
        writer.write_all(&fixture.content)?;
        // The first chunks are already in the file.
        let partial = fs::read_dir(folder)?
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with(PARTIAL));
        let file = File::options().write(true).open(partial.unwrap())?;
        Ok(file.write_all_at(b"other bytes", 70_000)?)
    });
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("was not kept, because it cannot be read back"), "{error}");
    assert_eq!(fixture.file_names(), ["test.backup"]);
}
