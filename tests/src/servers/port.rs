//! Ports that stay one test's own while nothing listens on them.

use std::{
    fs::{File, TryLockError},
    net::TcpListener,
};

/// Below the range that the system gives to outgoing connections, so that none of those takes a port whose service is
/// just being restarted.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 1000;

/// A port of 127.0.0.1. While this lives no other test gets it, also while nobody listens on it.
#[derive(Debug)]
pub struct Port {
    pub number: u16,
    _lease: File,
}

impl Port {
    pub fn lease() -> Self {
        for _ in 0..TRIES {
            let number = fastrand::u16(RANGE);
            let path = std::env::temp_dir().join(format!("buydesk-test-port-{number}"));
            let lease = File::options().create(true).write(true).truncate(false).open(&path);
            let lease = lease.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            match lease.try_lock() {
                Ok(()) if TcpListener::bind(("127.0.0.1", number)).is_ok() => return Self { number, _lease: lease },
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
            }
        }
        panic!("no free port was found in {TRIES} tries")
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}
