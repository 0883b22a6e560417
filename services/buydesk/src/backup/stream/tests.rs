use ring::aead::{CHACHA20_POLY1305, UnboundKey};

use super::*;

fn key(byte: u8) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[byte; 32]).unwrap())
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut writer = SealingWriter::new(Vec::new(), key(1), b"context".to_vec());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// Decrypts a stream. Returns the content, or the detected damage.
fn open(sealed: &[u8]) -> Result<Vec<u8>, Damage> {
    open_with(sealed, key(1), b"context")
}

fn open_with(sealed: &[u8], key: LessSafeKey, context: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut plain = Vec::new();
    let mut reader = OpeningReader::new(sealed, key, context.to_vec()).unwrap();
    match reader.read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(error) => Err(*error.get_ref().unwrap().downcast_ref::<Damage>().unwrap()),
    }
}

#[test]
fn stream_of_any_length_is_read_as_it_was_written() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
        let (plain, chunks) = (bytes(length), length.div_ceil(CHUNK_BYTES).max(1));
        let sealed = seal(&plain);
        assert_eq!(sealed.len(), length + chunks * TAG_BYTES, "{length}");
        assert_eq!(open(&sealed), Ok(plain), "{length}");
    }
}

#[test]
fn every_flipped_bit_is_detected() {
    let sealed = seal(&bytes(40));
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[index] ^= 1 << bit;
            assert_eq!(open(&changed), Err(Damage::Changed { chunk: 0 }), "byte {index}, bit {bit}");
        }
    }
    let mut sealed = seal(&bytes(3 * CHUNK_BYTES));
    sealed[SEALED_BYTES + 7] ^= 1;
    assert_eq!(open(&sealed), Err(Damage::Changed { chunk: 1 }));
}

#[test]
fn stream_that_is_cut_off_or_extended_is_detected() {
    let sealed = seal(&bytes(2 * CHUNK_BYTES + 5));
    assert_eq!(open(&[]), Err(Damage::CutOff { chunks: 0 }));
    assert_eq!(open(&sealed[..SEALED_BYTES]), Err(Damage::CutOff { chunks: 1 }));
    assert_eq!(open(&sealed[..2 * SEALED_BYTES]), Err(Damage::CutOff { chunks: 2 }));
    assert_eq!(open(&sealed[..SEALED_BYTES + 100]), Err(Damage::Changed { chunk: 1 }));
    assert_eq!(open(&sealed[..sealed.len() - 1]), Err(Damage::Changed { chunk: 2 }));
    assert_eq!(open(&[&sealed[..], b"more"].concat()), Err(Damage::Changed { chunk: 2 }));
    let full = seal(&bytes(CHUNK_BYTES));
    assert_eq!(open(&[&full[..], b"more"].concat()), Err(Damage::Extended));
}

#[test]
fn wrong_order_of_chunks_wrong_context_and_wrong_key_are_detected() {
    let sealed = seal(&bytes(3 * CHUNK_BYTES));
    let (first, rest) = sealed.split_at(SEALED_BYTES);
    let (second, third) = rest.split_at(SEALED_BYTES);
    assert_eq!(open(&[second, first, third].concat()), Err(Damage::Changed { chunk: 0 }));
    assert_eq!(open(&[first, third].concat()), Err(Damage::Changed { chunk: 1 }));
    assert_eq!(open(&[first, second, second, third].concat()), Err(Damage::Changed { chunk: 2 }));
    assert_eq!(open_with(&sealed, key(2), b"context"), Err(Damage::Changed { chunk: 0 }));
    assert_eq!(open_with(&sealed, key(1), b"another"), Err(Damage::Changed { chunk: 0 }));
}

/// A disk with this number of free bytes.
struct SmallDisk(usize);

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_write_fails_after_a_failed_write() {
    let mut writer = SealingWriter::new(SmallDisk(SEALED_BYTES + 9), key(1), Vec::new());
    assert_eq!(writer.write_all(&bytes(3 * CHUNK_BYTES)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    // Without the failed write, this write would only fill the buffer and succeed.
    assert!(writer.write_all(b"more").is_err());
    assert!(writer.finish().is_err());
}
