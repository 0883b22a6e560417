//! Whether a PostgreSQL server can be reached.
//!
//! A pool that has no connection reports only that time has passed: it retries a refused connection until its own limit. So the
//! cause is found by a connection beside the pool. It is logged here, once for each outage, and not by what fails because of it.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use common::startup::{OutageLine, OutageLog};
use futures_util::future::join_all;
use sqlx::{ConnectOptions, Connection, Error, postgres::PgConnectOptions};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    super::{DatabaseError, error::Unreachable, url::shown_url},
    primary::HOST_TIMEOUT,
};

/// How long a connection may take before the cause is searched. With [`HOST_TIMEOUT`] it is shorter than the wait for a
/// connection, so that the error can name the cause.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);

/// What is known about the way to the servers of a database.
pub(super) struct Reachability {
    hosts: Vec<PgConnectOptions>,
    /// The URL of the database without its password.
    address: Arc<str>,
    is_checking: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why no server can be reached. `None` if one can, or if it is not known.
    reason: Option<Arc<str>>,
    log: OutageLog,
}

impl Reachability {
    /// `hosts` has at least one element.
    pub(super) fn new(url: &str, hosts: Vec<PgConnectOptions>) -> Arc<Self> {
        let address = shown_url(url).into();
        Arc::new(Self { hosts, address, is_checking: AtomicBool::default(), state: Mutex::default() })
    }

    /// Awaits a connection, and searches the cause if that takes long.
    pub(super) async fn watch<T>(self: &Arc<Self>, connecting: impl Future<Output = T>) -> T {
        let mut connecting = pin!(connecting);
        if let Ok(result) = timeout(CONNECT_TIMEOUT, &mut connecting).await {
            return result;
        }
        self.start_check();
        connecting.await
    }

    /// The error of an attempt to get a connection.
    pub(super) fn explain(&self, error: Error) -> DatabaseError {
        match error {
            Error::PoolTimedOut => {}
            // The attempt itself has found the cause.
            Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => self.record_outage(&reason_of(&error)),
            error => return error.into(),
        }
        match &self.state().reason {
            Some(reason) => {
                let (address, reason) = (self.address.clone(), reason.clone());
                DatabaseError::Unreachable(Unreachable { address, reason })
            }
            // Every connection is in use.
            None => error.into(),
        }
    }

    /// Reports that a server was reached.
    pub(super) fn record_connection(&self) {
        let mut state = self.state();
        if state.reason.take().is_some() && state.log.record_success() {
            tracing::info!(address = &*self.address, "PostgreSQL can be reached again");
        }
    }

    /// Checks every host in the background. Does nothing if a check is running.
    fn start_check(self: &Arc<Self>) {
        if self.is_checking.swap(true, Relaxed) {
            return;
        }
        let reachability = Arc::clone(self);
        let check = async move {
            reachability.check().await;
            reachability.is_checking.store(false, Relaxed);
        };
        tokio::spawn(check.in_current_span());
    }

    async fn check(&self) {
        let failures = join_all(self.hosts.iter().map(async |host| {
            let connection = match timeout(HOST_TIMEOUT, host.connect()).await {
                Ok(connection) => connection.map_err(|error| reason_of(&error)),
                Err(_) => Err(format!("it did not answer within {} s", HOST_TIMEOUT.as_secs())),
            };
            match connection {
                Ok(connection) => {
                    let _ = connection.close_hard().await;
                    None
                }
                Err(reason) => Some((host, reason)),
            }
        }));
        let Some(failures) = failures.await.into_iter().collect::<Option<Vec<_>>>() else {
            return self.record_connection();
        };
        let reasons = failures.into_iter().map(|(host, reason)| match self.hosts.len() {
            1 => reason,
            _ => format!("{}:{}: {reason}", host.get_host(), host.get_port()),
        });
        self.record_outage(&reasons.collect::<Vec<_>>().join("; "));
    }

    fn record_outage(&self, reason: &str) {
        let address = &*self.address;
        let mut state = self.state();
        state.reason = Some(reason.into());
        match state.log.record_failure() {
            Some(OutageLine::NotYet) => {
                tracing::info!(address, reason, "PostgreSQL cannot be reached yet; the connection is retried");
            }
            Some(OutageLine::Outage) => {
                tracing::error!(address, reason, "PostgreSQL cannot be reached; nothing is stored until it can");
            }
            None => {}
        }
    }

    /// The state is valid after a panic too, because each change is a single assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection was not opened.
fn reason_of(error: &Error) -> String {
    use std::io::ErrorKind as Kind;
    match error {
        Error::Io(error) => match error.kind() {
            Kind::ConnectionRefused => "the connection was refused, so no server listens there".to_owned(),
            Kind::TimedOut => "it did not answer".to_owned(),
            Kind::HostUnreachable | Kind::NetworkUnreachable => "the network has no way to the host".to_owned(),
            Kind::ConnectionReset | Kind::UnexpectedEof | Kind::BrokenPipe => {
                "it closed the connection at once".to_owned()
            }
            _ => error.to_string(),
        },
        Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
