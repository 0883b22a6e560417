use super::*;

/// A file on a disk that is full for one write. Accepts `free` bytes, refuses one write, and then accepts every write.
struct BrieflyFullDisk {
    file: File,
    /// `None` after the refused write.
    free: Option<usize>,
}

impl Write for BrieflyFullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.free {
            None => self.file.write(bytes),
            Some(0) => {
                self.free = None;
                Err(ErrorKind::StorageFull.into())
            }
            Some(free) => {
                let written = self.file.write(&bytes[..bytes.len().min(*free)])?;
                *free -= written;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Appends the records to a new file on a disk with `free` bytes, and reads the file.
fn append_and_read(records: &[Record], free: usize) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let (sender, receiver) = sync_channel(records.len());
    for record in records {
        sender.send(record.clone()).unwrap();
    }
    drop(sender);
    let file = File::create(&path).unwrap();
    append_all(BrieflyFullDisk { file, free: Some(free) }, &path, &receiver);
    read(&path).unwrap().0
}

#[test]
fn failed_write_loses_only_its_own_record() {
    let records = ["a", "b", "c"].map(|id| Record::RemovedSilence { id: id.to_owned() });
    let line_length = serde_json::to_vec(&records[0]).unwrap().len() + 1;
    for free in 0..2 * line_length {
        let mut expected = records.to_vec();
        // A record without its line break can be parsed.
        if free % line_length != line_length - 1 {
            expected.remove(free / line_length);
        }
        assert_eq!(append_and_read(&records, free), expected, "{free} bytes were free");
    }
}
