//! The file of the history and of the silences: one JSON object per line. Of several lines with the same period id, the
//! last one is valid.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use common::{
    api::{alerts::Silence, history::HistoryPeriod},
    io_errors::{describe_file_error, describe_io_error},
};
use serde::{Deserialize, Serialize};

/// Maximum number of lines that wait to be written.
const MAX_QUEUED: usize = 4096;

/// The content of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Period(HistoryPeriod),
    Silence(Silence),
    RemovedSilence { id: String },
}

pub(super) struct Records(Vec<Record>);

impl Records {
    /// The latest version of each period, in the order of their ids, and the silences that were not removed.
    pub(super) fn into_current(self) -> (Vec<HistoryPeriod>, Vec<Silence>) {
        let mut periods = BTreeMap::new();
        let mut silences: Vec<Silence> = Vec::new();
        for record in self.0 {
            match record {
                Record::Period(period) => {
                    periods.insert(period.id, period);
                }
                Record::Silence(silence) => silences.push(silence),
                Record::RemovedSilence { id } => silences.retain(|silence| silence.id != id),
            }
        }
        (periods.into_values().collect(), silences)
    }
}

/// Reads a file. If it does not exist, there are no records. A line that cannot be parsed is skipped: a line may be
/// incomplete after a crash or a failed write, and a newer release can have written unknown kinds of records.
pub(super) fn read(path: &Path) -> anyhow::Result<Records> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Records(Vec::new())),
        Err(error) => return Err(unusable(path, &error)),
    };
    let mut records = Vec::new();
    let mut skipped = 0_u64;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| unusable(path, &error))?;
        match serde_json::from_slice(&line) {
            Ok(record) => records.push(record),
            Err(_) => skipped += u64::from(!line.is_empty()),
        }
    }
    if skipped > 0 {
        tracing::warn!(path = %path.display(), skipped, "some lines of the history cannot be parsed; they are ignored");
    }
    Ok(Records(records))
}

fn unusable(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "the file of HEALTH_HISTORY_FILE={} cannot be used: {}; set HEALTH_HISTORY_FILE to a file that health-check may create and write",
        path.display(),
        describe_file_error(path, error)
    )
}

/// Appends lines to the file in a separate thread, so that a slow disk delays nothing else.
#[derive(Debug)]
pub(crate) struct HistoryFile(SyncSender<Record>);

impl HistoryFile {
    /// Replaces the content of the file with these records, and starts the thread that appends further records.
    pub(super) fn replace(path: &Path, records: impl Iterator<Item = Record>) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = write_new(path, folder, records).map_err(|error| unusable(path, &error))?;
        let (sender, receiver) = sync_channel(MAX_QUEUED);
        let path = path.to_owned();
        let builder = thread::Builder::new().name("history".to_owned());
        builder.spawn(move || append_all(file, &path, &receiver))?;
        Ok(Self(sender))
    }

    /// Queues a line. Never blocks.
    pub(super) fn append(&self, record: Record) {
        if self.0.try_send(record).is_err() {
            tracing::warn!("the disk is too slow for the history; a record is kept in memory only");
        }
    }
}

/// Writes the records to a new file and renames it to `path`, so that a crash loses no records. Returns the file, open
/// for appending.
fn write_new(path: &Path, folder: Option<&Path>, records: impl Iterator<Item = Record>) -> io::Result<File> {
    folder.map_or(Ok(()), fs::create_dir_all)?;
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    let mut file = File::create(&new)?;
    file.write_all(&lines)?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    OpenOptions::new().append(true).open(path)
}

/// Appends records until the sender is dropped. A failed write is not retried. Of several failures in a row, only the
/// first one is logged.
fn append_all(mut file: impl Write, path: &Path, receiver: &Receiver<Record>) {
    let mut has_failed = false;
    while let Ok(record) = receiver.recv() {
        // After a failed write, the file may end within a line. A line break separates this fragment from the record.
        let mut line = if has_failed { vec![b'\n'] } else { Vec::new() };
        if serde_json::to_writer(&mut line, &record).is_err() {
            continue;
        }
        line.push(b'\n');
        match file.write_all(&line) {
            Ok(()) => has_failed = false,
            Err(error) => {
                if !std::mem::replace(&mut has_failed, true) {
                    let error = describe_io_error(&error);
                    tracing::warn!(path = %path.display(), error, "the history cannot be written; new records are kept in memory only");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
