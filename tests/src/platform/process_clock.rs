//! The wall clock of a process, which a test sets while the process runs.

use std::path::{Path, PathBuf};

use super::Variables;
use crate::environment::required_variable;

/// A clock that libfaketime shows to a process. The monotonic clock of the process stays real.
#[derive(Debug, Clone)]
pub(super) struct ProcessClock {
    /// Contains the difference to the real time. libfaketime reads the file whenever the process reads the clock.
    file: PathBuf,
}

impl ProcessClock {
    /// A clock that shows the real time. `name` is unique in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let clock = Self { file: folder.join(format!("{name}.clock")) };
        clock.set_offset(0);
        clock
    }

    /// Sets the clock this many seconds ahead of the real time, or behind it if the number is negative.
    pub fn set_offset(&self, seconds: i64) {
        // The file is replaced atomically, so that the process never reads a part of it.
        let new_file = self.file.with_extension("new");
        std::fs::write(&new_file, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new_file, &self.file).unwrap();
    }

    /// The environment variables of a process that uses the clock.
    pub fn variables(&self) -> Variables {
        let file = self.file.to_str().expect("the path of a temporary folder is UTF-8");
        [
            ("LD_PRELOAD", required_variable("TEST_FAKETIME_LIBRARY").as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}
