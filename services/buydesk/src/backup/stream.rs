//! Encrypts a stream of any length in chunks, with the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár
//! (2015). The programs `age` and Tink use the same construction.
//!
//! Each chunk is encrypted and authenticated by ChaCha20-Poly1305. The nonce contains the number of the chunk, and
//! whether the chunk is the last. Decryption therefore fails if a chunk was changed, moved, added or removed, or if the
//! file was truncated. Each key is used for one file only, so no nonce is used twice with the same key.

use std::{
    fmt, io,
    io::{Read, Write},
};

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

/// The length of each chunk before it is encrypted. The last chunk may be shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// The length of the authentication tag of each chunk.
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// Why a stream does not decrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A chunk does not decrypt. The chunk or the bytes before the first chunk were changed, the file was cut off or
    /// extended within the chunk, or the key is wrong.
    Changed { chunk: u64 },
    /// The file ends before its last chunk, after this number of chunks.
    CutOff { chunks: u64 },
    /// Bytes follow the last chunk.
    Extended,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { chunk } => write!(f, "it is damaged or cut off in part {} of 64 KiB", chunk + 1),
            Self::CutOff { chunks } => write!(f, "it is cut off after {chunks} parts of 64 KiB"),
            Self::Extended => f.write_str("it is damaged: bytes follow its end"),
        }
    }
}

impl std::error::Error for Damage {}

/// Whether a chunk is the last chunk of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Inner,
    Last,
}

/// The nonce of a chunk: 11 bytes with its number, and one byte that is 1 for the last chunk and 0 for other chunks.
fn nonce_of(chunk: u64, position: Position) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 9..NONCE_LEN - 1].copy_from_slice(&chunk.to_be_bytes());
    nonce[NONCE_LEN - 1] = u8::from(position == Position::Last);
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts the bytes that are written to it. [`finish`](Self::finish) writes the last chunk.
pub struct SealingWriter<W> {
    inner: W,
    key: LessSafeKey,
    /// Authenticated with each chunk.
    context: Vec<u8>,
    /// At most one chunk. A full chunk stays here until further bytes show that it is not the last chunk.
    pending: Vec<u8>,
    chunk: u64,
    /// Whether a write has failed. Further writes must fail too: the compressing writer writes again when it is
    /// dropped.
    has_failed: bool,
}

impl<W: Write> SealingWriter<W> {
    pub fn new(inner: W, key: LessSafeKey, context: Vec<u8>) -> Self {
        Self { inner, key, context, pending: Vec::with_capacity(SEALED_BYTES), chunk: 0, has_failed: false }
    }

    fn seal(&mut self, position: Position) -> io::Result<()> {
        if self.has_failed {
            return Err(io::Error::other("an earlier write has failed"));
        }
        let nonce = nonce_of(self.chunk, position);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(&self.context), &mut self.pending);
        let tag = tag.map_err(|_| io::Error::other("a chunk cannot be encrypted"))?;
        self.pending.extend_from_slice(tag.as_ref());
        let written = self.inner.write_all(&self.pending);
        self.has_failed = written.is_err();
        self.pending.clear();
        self.chunk += 1;
        written
    }

    /// Writes the last chunk and returns the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(Position::Last)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed || (self.pending.len() == CHUNK_BYTES && !bytes.is_empty()) {
            self.seal(Position::Inner)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        // A chunk that is not full is written only as the last chunk, by `finish`.
        Ok(())
    }
}

/// Decrypts the output of [`SealingWriter`]. Every returned byte is authenticated. Reading a truncated stream fails.
pub struct OpeningReader<R> {
    inner: R,
    key: LessSafeKey,
    context: Vec<u8>,
    /// The next chunk, encrypted. Empty after the last chunk.
    next: Vec<u8>,
    chunk: u64,
    opened: Vec<u8>,
    /// The number of bytes of `opened` that were returned.
    returned: usize,
    is_at_end: bool,
}

impl<R: Read> OpeningReader<R> {
    pub fn new(mut inner: R, key: LessSafeKey, context: Vec<u8>) -> io::Result<Self> {
        let next = read_chunk(&mut inner)?;
        Ok(Self { inner, key, context, next, chunk: 0, opened: Vec::new(), returned: 0, is_at_end: false })
    }

    fn open_next(&mut self) -> io::Result<()> {
        let sealed = std::mem::take(&mut self.next);
        self.next = if sealed.len() == SEALED_BYTES { read_chunk(&mut self.inner)? } else { Vec::new() };
        let position = if self.next.is_empty() { Position::Last } else { Position::Inner };
        self.opened = self.open(&sealed, position).ok_or_else(|| {
            let damage = match position {
                Position::Last if self.open(&sealed, Position::Inner).is_some() || sealed.is_empty() => {
                    Damage::CutOff { chunks: self.chunk + u64::from(!sealed.is_empty()) }
                }
                Position::Inner if self.open(&sealed, Position::Last).is_some() => Damage::Extended,
                _ => Damage::Changed { chunk: self.chunk },
            };
            io::Error::new(io::ErrorKind::InvalidData, damage)
        })?;
        self.returned = 0;
        self.chunk += 1;
        self.is_at_end = position == Position::Last;
        Ok(())
    }

    /// Decrypts the chunk number `self.chunk`. `None` if `sealed` is not this chunk at this position.
    fn open(&self, sealed: &[u8], position: Position) -> Option<Vec<u8>> {
        let mut opened = sealed.to_vec();
        let nonce = nonce_of(self.chunk, position);
        let length = self.key.open_in_place(nonce, Aad::from(&self.context), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

impl<R: Read> Read for OpeningReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.returned == self.opened.len() && !self.is_at_end {
            self.open_next()?;
        }
        let copied = buffer.len().min(self.opened.len() - self.returned);
        buffer[..copied].copy_from_slice(&self.opened[self.returned..self.returned + copied]);
        self.returned += copied;
        Ok(copied)
    }
}

/// Reads one encrypted chunk. Returns fewer than [`SEALED_BYTES`] bytes at the end of the file.
fn read_chunk(inner: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(SEALED_BYTES);
    inner.take(SEALED_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

#[cfg(test)]
mod tests;
