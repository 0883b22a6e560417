//! Whether a PostgreSQL server can be reached.
//!
//! A pool that cannot connect reports only a timeout, because the pool retries a refused connection until the timeout.
//! A separate connection therefore finds the cause. The cause is logged here, one time per outage, and not by each
//! failed operation.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{
    io_errors::describe_io_error,
    startup::{OutageLine, OutageLog},
};
use futures_util::future::join_all;
use sqlx::{ConnectOptions, Connection, Error, postgres::PgConnectOptions};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    super::{
        DatabaseError,
        error::{LoginFault, LoginRefused, Unreachable},
        url::shown_url,
    },
    primary::HOST_TIMEOUT,
};

/// How long to wait for a connection before the hosts are checked. The sum of this time and [`HOST_TIMEOUT`] is shorter
/// than the acquire timeout of a pool, so that the error can name the cause.
const CHECK_DELAY: Duration = Duration::from_millis(300);

/// Whether the servers of a database can be reached, as far as this process knows.
pub(super) struct Reachability {
    hosts: Vec<PgConnectOptions>,
    /// The URL of the database without its password.
    address: Arc<str>,
    is_checking: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why no server can be reached. `None` if a server can be reached, or if nothing is known yet.
    reason: Option<Arc<str>>,
    log: OutageLog,
}

impl Reachability {
    /// `hosts` has at least one element.
    pub(super) fn new(url: &str, hosts: Vec<PgConnectOptions>) -> Arc<Self> {
        let address = shown_url(url).into();
        Arc::new(Self { hosts, address, is_checking: AtomicBool::default(), state: Mutex::default() })
    }

    /// Awaits a connection, or migrations that open a connection. Starts a check of all hosts if this takes longer than
    /// [`CHECK_DELAY`].
    pub(super) async fn watch<T>(self: &Arc<Self>, connecting: impl Future<Output = T>) -> T {
        let mut connecting = pin!(connecting);
        if let Ok(result) = timeout(CHECK_DELAY, &mut connecting).await {
            return result;
        }
        self.start_check();
        connecting.await
    }

    /// Adds the cause, if it is known, to the error of a failed attempt to get a connection.
    pub(super) fn explain(&self, error: Error) -> DatabaseError {
        match error {
            Error::PoolTimedOut => {}
            // This error already names the cause.
            Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => self.record_outage(&describe_connect_failure(&error)),
            error => return self.login_refusal(&error).unwrap_or_else(|| error.into()),
        }
        match &self.state().reason {
            Some(reason) => {
                let (address, reason) = (self.address.clone(), reason.clone());
                DatabaseError::Unreachable(Unreachable { address, reason })
            }
            // No outage is known. Usually every connection of the pool is in use.
            None => error.into(),
        }
    }

    /// The error if a server refused the login.
    pub(super) fn login_refusal(&self, error: &Error) -> Option<DatabaseError> {
        let reason = LoginFault::of(error)?;
        Some(DatabaseError::LoginRefused(LoginRefused { address: self.address.clone(), reason }))
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
                Ok(connection) => connection.map_err(|error| describe_connect_failure(&error)),
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
            _ => format!("{}: {reason}", shown_host(host)),
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
                tracing::error!(address, reason, "PostgreSQL cannot be reached; nothing is stored during the outage");
            }
            None => {}
        }
    }

    /// The state remains in use after a panic, because every combination of its fields is valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host and the port. An IPv6 address is in brackets.
fn shown_host(host: &PgConnectOptions) -> String {
    match (host.get_host(), host.get_port()) {
        (name, port) if name.contains(':') => format!("[{name}]:{port}"),
        (name, port) => format!("{name}:{port}"),
    }
}

/// Why a connection was not opened.
pub fn describe_connect_failure(error: &Error) -> String {
    use std::io::ErrorKind as Kind;
    match error {
        Error::Io(error) => match error.kind() {
            Kind::ConnectionRefused => "the connection was refused, so no server listens there".to_owned(),
            Kind::TimedOut => "it did not answer".to_owned(),
            Kind::ConnectionReset | Kind::UnexpectedEof | Kind::BrokenPipe => {
                "it closed the connection immediately".to_owned()
            }
            _ => describe_io_error(error),
        },
        Error::Database(cause) => match LoginFault::of(error) {
            Some(fault) => fault.to_string(),
            None => cause.message().to_owned(),
        },
        Error::Protocol(_) => "it does not respond like a PostgreSQL server".to_owned(),
        Error::Tls(cause) => format!("no TLS connection can be opened: {cause}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
