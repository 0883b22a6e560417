//! The unencrypted start of a backup file. Every chunk of the file authenticates it.

use std::{
    fmt,
    io::{ErrorKind, Read},
    path::Path,
};

use anyhow::{Context, anyhow, bail, ensure};
use common::{io_errors::describe_io_error, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::{file_fault::FileFault, key::SALT_BYTES};

/// The first bytes of every backup file.
const MAGIC: &[u8; 14] = b"buydesk backup";
/// The version of the format, after [`MAGIC`].
const FORMAT: u16 = 1;
/// Maximum length of the header as JSON.
const MAX_JSON_BYTES: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// An SQLite file.
    Sqlite,
    /// A base backup of a PostgreSQL server, as `pg_basebackup` writes it in the format tar.
    Postgresql,
    /// A file of the write-ahead log of a PostgreSQL server.
    Wal,
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "a backup of an SQLite database",
            Self::Postgresql => "a base backup of a PostgreSQL server",
            Self::Wal => "a file of the write-ahead log of a PostgreSQL server",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub content: ContentKind,
    /// For `Sqlite`, the path of the file. For `Postgresql`, the system identifier of the server and the name of the database.
    /// For `Wal`, the name of the file of the log.
    pub source: String,
    pub created_at: Timestamp,
    /// The version of the program that wrote the file.
    pub program: String,
    /// The id of the key that decrypts the file.
    pub key_id: String,
}

/// The bytes before the first chunk.
#[derive(Debug)]
pub struct Preamble {
    pub header: Header,
    pub salt: [u8; SALT_BYTES],
    /// The stored bytes of the preamble.
    pub bytes: Vec<u8>,
}

impl Preamble {
    pub fn new(header: Header, salt: [u8; SALT_BYTES]) -> anyhow::Result<Self> {
        let json = serde_json::to_vec(&header)?;
        ensure!(json.len() <= MAX_JSON_BYTES, "the header of the backup is longer than {MAX_JSON_BYTES} bytes");
        let length = u32::try_from(json.len())?;
        let bytes = [&MAGIC[..], &FORMAT.to_be_bytes(), &salt, &length.to_be_bytes(), json.as_slice()].concat();
        Ok(Self { header, salt, bytes })
    }

    /// `path` names the file in errors.
    pub fn read(reader: &mut impl Read, path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let unusable = || FileFault::Unusable(path.to_owned());
        let mut bytes = Vec::new();
        let mut magic = Vec::new();
        reader
            .by_ref()
            .take(MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .with_context(|| format!("{name} cannot be read"))?;
        ensure!(magic == MAGIC, FileFault::NotABackup(path.to_owned()));
        bytes.extend_from_slice(&magic);
        let mut read_next = |length: usize| -> anyhow::Result<Vec<u8>> {
            let mut next = vec![0; length];
            reader.read_exact(&mut next).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => anyhow!("it is cut off in its header").context(unusable()),
                _ => anyhow!("{name} cannot be read: {}", describe_io_error(&error)),
            })?;
            bytes.extend_from_slice(&next);
            Ok(next)
        };
        let format = u16::from_be_bytes(read_next(2)?.try_into().unwrap_or_default());
        if format != FORMAT {
            bail!(
                "the backup file {name} has the format {format}, and this release reads the format {FORMAT} only; use the release \
                 that wrote the file, or a newer one"
            );
        }
        let salt = read_next(SALT_BYTES)?.try_into().unwrap_or([0; SALT_BYTES]);
        let length = u32::from_be_bytes(read_next(4)?.try_into().unwrap_or_default()) as usize;
        ensure!(length <= MAX_JSON_BYTES, anyhow!("its header is damaged").context(unusable()));
        let json = read_next(length)?;
        let header = serde_json::from_slice(&json);
        let header = header.context("its header is damaged").with_context(unusable)?;
        Ok(Self { header, salt, bytes })
    }
}
