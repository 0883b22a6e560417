//! The key that encrypts backups: 32 random bytes in a file.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, anyhow, bail, ensure};
use common::{
    io_errors::describe_io_error,
    text::{from_hex, to_hex},
};
use ring::{
    aead::{CHACHA20_POLY1305, LessSafeKey, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::{SecureRandom, SystemRandom},
};

use super::target_fault;
use crate::{
    client::ClientError,
    program::{command, quote},
};

const KEY_BYTES: usize = 32;
/// The length of the salt. Each file has its own key, which is derived from the backup key and a random salt.
pub const SALT_BYTES: usize = 32;
/// The first line of a key file.
const FIRST_LINE: &str = "buydesk backup key 1";
const OWNER_ONLY: u32 = 0o600;
/// The permissions of users who neither own the file nor belong to its group.
const OTHERS: u32 = 0o007;
/// Maximum length of a key file.
const MAX_FILE_BYTES: u64 = 1024;
/// The parameter `info` of HKDF for the key of a file.
const FILE_KEY: &[u8] = b"buydesk backup: key of a file";
/// The parameter `info` of HKDF for the id of a key.
const KEY_ID: &[u8] = b"buydesk backup: id of a key";
const KEY_ID_BYTES: usize = 8;

/// A key. It is never printed.
pub struct BackupKey([u8; KEY_BYTES]);

impl BackupKey {
    /// Creates a key and writes it to a new file that only its owner can read. Returns the id of the key.
    pub fn create(path: &Path) -> anyhow::Result<String> {
        let key = Self(random()?);
        let name = path.display();
        let created = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
        let mut file = created.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => ClientError::new(
                "file_exists",
                format!(
                    "{name} exists already. A key is never overwritten, because the backups that it encrypted need it."
                ),
                "Name a file that does not exist.",
            ),
            _ => target_fault::no_key_file(path, &error),
        })?;
        let written = writeln!(file, "{FIRST_LINE}\n{}", to_hex(&key.0)).and_then(|()| file.sync_all());
        written.with_context(|| format!("{name} cannot be written"))?;
        Ok(key.id())
    }

    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let next_step =
                    format!("`{}` makes a key.", command(&format!("backup key {}", quote(&name.to_string()))));
                ClientError::new("key_file_missing", format!("The key file {name} does not exist."), next_step).into()
            }
            _ => anyhow!("the key file {name} cannot be read: {}", describe_io_error(&error)),
        })?;
        ensure!(metadata.is_file(), "the key file {name} is not a file");
        if metadata.permissions().mode() & OTHERS != 0 {
            let message = format!("Every user of this machine has access to the key file {name}.");
            let next_step = format!("To correct this, run `chmod o= {}`.", quote(&name.to_string()));
            return Err(ClientError::new("key_file_not_private", message, next_step).into());
        }
        ensure!(metadata.len() <= MAX_FILE_BYTES, "{name} is not a key file: it is longer than {MAX_FILE_BYTES} bytes");
        let text = fs::read(path).with_context(|| format!("the key file {name} cannot be read"))?;
        Self::parse(&text).with_context(|| format!("{name} is not a key file of `buydesk backup key`"))
    }

    fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let text = str::from_utf8(text).ok().context("it is not text")?;
        let Some((first, rest)) = text.split_once('\n') else { bail!("it has fewer than two lines") };
        ensure!(first.trim_end() == FIRST_LINE, "its first line is not \"{FIRST_LINE}\"");
        let key = from_hex(rest.trim_end());
        Ok(Self(key.with_context(|| format!("its second line is not {} hexadecimal digits", 2 * KEY_BYTES))?))
    }

    /// The key cannot be computed from the id.
    pub fn id(&self) -> String {
        let mut id = [0; KEY_ID_BYTES];
        let derived = Salt::new(HKDF_SHA256, &[]).extract(&self.0);
        let filled = derived.expand(&[KEY_ID], Length(KEY_ID_BYTES)).and_then(|id_bytes| id_bytes.fill(&mut id));
        filled.expect("the length of the id is far below the maximum of HKDF");
        to_hex(&id)
    }

    /// The key of the file with this salt.
    pub fn file_key(&self, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
        let derived = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let key = derived.expand(&[FILE_KEY], &CHACHA20_POLY1305);
        LessSafeKey::new(UnboundKey::from(key.expect("the length of the key is far below the maximum of HKDF")))
    }
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow!("the operating system supplies no random bytes"))?;
    Ok(bytes)
}

/// The length of a derived value.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests;
