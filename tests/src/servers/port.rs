//! Ports that stay reserved for one test, also while nothing listens on them.

use std::{
    fs::{File, TryLockError},
    net::TcpListener,
};

/// Below the range of ephemeral ports, so that no outgoing connection takes the port of a service that is restarting.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const MAX_ATTEMPTS: usize = 1000;

/// A port of 127.0.0.1 that no other test receives while this value lives.
#[derive(Debug)]
pub struct Port {
    pub number: u16,
    /// This file is locked, so that no other test process reserves the port.
    _lock: File,
}

impl Port {
    pub fn reserve() -> Self {
        for _ in 0..MAX_ATTEMPTS {
            let number = fastrand::u16(RANGE);
            let path = std::env::temp_dir().join(format!("buydesk-test-port-{number}"));
            let file = File::options().create(true).write(true).truncate(false).open(&path);
            let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            match file.try_lock() {
                Ok(()) if TcpListener::bind(("127.0.0.1", number)).is_ok() => return Self { number, _lock: file },
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
            }
        }
        panic!("no free port found in {MAX_ATTEMPTS} attempts")
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}
