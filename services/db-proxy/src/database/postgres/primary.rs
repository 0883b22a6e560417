//! Finds the primary among the hosts, and rejects connections to other servers.
//!
//! After a failover, a host may still be the old primary. If the old primary is now a standby, it accepts no writes and
//! may return old rows. If it was frozen or cut off from the network, it may still consider itself the primary, and
//! return old rows. The pools therefore check each new connection. PostgreSQL counts the failovers of a database in its
//! timeline. If the timeline of a server is earlier than the timeline of the last acknowledged commit, the server may
//! lack that commit, so it is not used.
//!
//! After a connection fails, every connection that is open at that time is closed before its next use, because it may
//! lead to the same server.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::{super::error::NotPrimary, ACQUIRE_TIMEOUT};

/// How long a search or a check of reachability waits for one host.
pub(super) const HOST_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two attempts of a search.
const SEARCH_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A primary that is temporarily read-only is accepted.
    Read,
    Write,
}

/// A position in the history of failovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeline {
    /// Identifies the database. Timelines of different databases are not comparable.
    pub system: i64,
    /// Increases with each failover.
    pub number: i64,
}

/// The state that a server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerState {
    pub in_recovery: bool,
    pub read_only: bool,
    /// Absent on a standby, and on a server that does not permit the database user to read it.
    pub timeline: Option<Timeline>,
}

impl Timeline {
    /// The timeline of a server that is not a standby. `None` if the server rejects the query, usually because the
    /// database user may not call the functions of the query.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        const TIMELINE: &str = "
            select system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
            from pg_control_system()";
        match sqlx::query(TIMELINE).persistent(false).fetch_one(connection).await {
            Ok(row) => Ok(Some(Self { system: row.try_get(0)?, number: row.try_get(1)? })),
            Err(sqlx::Error::Database(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ServerState {
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        const ROLE: &str = "select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";
        let row = sqlx::query(ROLE).persistent(false).fetch_one(&mut *connection).await?;
        let (in_recovery, read_only) = (row.try_get(0)?, row.try_get(1)?);
        let timeline = if in_recovery { None } else { Timeline::read(connection).await? };
        Ok(Self { in_recovery, read_only, timeline })
    }
}

/// The hosts, and the results of their last checks. All pools of a database share this value.
pub struct Primary {
    hosts: Vec<PgConnectOptions>,
    pools: Mutex<Vec<PgPool>>,
    /// The timeline of the server of the newest connection for writes.
    writer_timeline: Mutex<Option<Timeline>>,
    /// The newest timeline on which commits may have been acknowledged, as far as this process knows.
    confirmed: Mutex<Option<Timeline>>,
    /// Connections that were opened before this moment are not used.
    trusted_since: Mutex<Option<Instant>>,
    /// Why the last check rejected a server. `None` if it accepted the server.
    rejection: Mutex<Option<NotPrimary>>,
    is_searching: AtomicBool,
    /// The index of the host that new connections go to.
    current_host: AtomicUsize,
}

impl Primary {
    /// `hosts` has at least one element.
    pub(super) fn new(hosts: Vec<PgConnectOptions>) -> Arc<Self> {
        let primary = Arc::new(Self {
            hosts,
            pools: Mutex::default(),
            writer_timeline: Mutex::default(),
            confirmed: Mutex::default(),
            trusted_since: Mutex::default(),
            rejection: Mutex::default(),
            is_searching: AtomicBool::default(),
            current_host: AtomicUsize::default(),
        });
        primary.start_search();
        primary
    }

    /// A pool of connections to the primary. They are opened when they are first needed.
    pub(super) fn connect_lazy(self: &Arc<Self>, size: u32, access: Access) -> PgPool {
        // The references are weak, because this value holds the pools. Strong references would form a cycle.
        let (for_check, for_acquire) = (Arc::downgrade(self), Arc::downgrade(self));
        // No ping before each use: the first statement on a dead connection fails and is retried.
        let options =
            PgPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false);
        let pool = options
            .after_connect(move |connection, _| Box::pin(check_server(for_check.clone(), connection, access)))
            .before_acquire(move |_, metadata| {
                let is_trusted = for_acquire.upgrade().is_none_or(|primary| primary.is_trusted(metadata.age));
                Box::pin(async move { Ok(is_trusted) })
            })
            .connect_lazy_with(self.hosts[0].clone());
        lock(&self.pools).push(pool.clone());
        pool
    }

    /// Reports that a connection failed. Every connection that is open now is closed before its next use.
    pub(super) fn distrust_connections(self: &Arc<Self>) {
        *lock(&self.trusted_since) = Some(Instant::now());
        self.start_search();
    }

    pub(super) fn rejection(&self) -> Option<NotPrimary> {
        *lock(&self.rejection)
    }

    pub(super) fn current_host(&self) -> usize {
        self.current_host.load(Relaxed)
    }

    fn is_trusted(&self, age: Duration) -> bool {
        let trusted_since = *lock(&self.trusted_since);
        trusted_since.is_none_or(|since| since.elapsed() > age)
    }

    fn check_state(&self, server: &ServerState, access: Access) -> Result<(), NotPrimary> {
        if server.in_recovery {
            return Err(NotPrimary::Standby);
        }
        let confirmed = *lock(&self.confirmed);
        let is_superseded = |(confirmed, timeline): (Timeline, Timeline)| {
            confirmed.system == timeline.system && confirmed.number > timeline.number
        };
        if confirmed.zip(server.timeline).is_some_and(is_superseded) {
            return Err(NotPrimary::Superseded);
        }
        if access == Access::Write && server.read_only { Err(NotPrimary::ReadOnly) } else { Ok(()) }
    }

    /// Reports that a connection of a writer acknowledged a commit.
    pub(super) fn confirm_writer(&self) {
        if let Some(timeline) = *lock(&self.writer_timeline) {
            self.confirm(timeline);
        }
    }

    /// Reports that a server with this timeline acknowledges commits. From then on, servers with an earlier timeline
    /// are not used.
    pub(super) fn confirm(&self, timeline: Timeline) {
        let mut confirmed = lock(&self.confirmed);
        if confirmed.is_none_or(|confirmed| confirmed.system != timeline.system || confirmed.number < timeline.number) {
            *confirmed = Some(timeline);
        }
    }

    /// Stores the result of a check, and logs a rejection if its reason changed.
    fn record_check(&self, result: Result<(), NotPrimary>) {
        let rejection = result.err();
        let previous = std::mem::replace(&mut *lock(&self.rejection), rejection);
        match rejection {
            Some(reason) if previous != rejection => {
                tracing::warn!(%reason, "a PostgreSQL server was rejected");
            }
            _ => {}
        }
    }

    /// Starts a search for the primary in the background, which ends when the primary is found or a pool is closed.
    /// Does nothing if there is only one host or a search is running.
    pub(super) fn start_search(self: &Arc<Self>) {
        if self.hosts.len() > 1 && !self.is_searching.swap(true, Relaxed) {
            tokio::spawn(search(Arc::downgrade(self)).in_current_span());
        }
    }

    /// Queries all hosts concurrently. Returns the index of the primary, or `None` if no primary answers within
    /// [`HOST_TIMEOUT`]. If several servers consider themselves the primary, prefers servers that accept writes, and
    /// among them the server with the latest timeline.
    async fn find_host(&self) -> Option<usize> {
        let states = join_all(self.hosts.iter().map(async |host| {
            let state = async {
                let mut connection = host.connect().await?;
                let state = ServerState::read(&mut connection).await;
                let _ = connection.close_hard().await;
                state
            };
            timeout(HOST_TIMEOUT, state).await.ok()?.ok()
        }))
        .await;
        let accepted = |access| {
            let usable = states.iter().enumerate().filter_map(|(index, state)| {
                let state = state.filter(|state| self.check_state(state, access).is_ok())?;
                Some((state.timeline.map_or(0, |timeline| timeline.number), index))
            });
            usable.max().map(|(_, index)| index)
        };
        accepted(Access::Write).or_else(|| accepted(Access::Read))
    }

    /// Directs new connections of all pools to this host.
    fn use_host(&self, index: usize) {
        self.current_host.store(index, Relaxed);
        for pool in &*lock(&self.pools) {
            pool.set_connect_options(self.hosts[index].clone());
        }
    }
}

/// Checks a new connection. If its server must not be used, the pool closes the connection and tries again.
async fn check_server(
    primary: Weak<Primary>,
    connection: &mut PgConnection,
    access: Access,
) -> Result<(), sqlx::Error> {
    let Some(primary) = primary.upgrade() else { return Ok(()) };
    let server = ServerState::read(connection).await?;
    let result = primary.check_state(&server, access);
    primary.record_check(result);
    if access == Access::Write && result.is_ok() {
        *lock(&primary.writer_timeline) = server.timeline;
    }
    result.map_err(|reason| {
        primary.start_search();
        sqlx::Error::Configuration(reason.into())
    })
}

async fn search(primary: Weak<Primary>) {
    while let Some(primary) = primary.upgrade() {
        if lock(&primary.pools).iter().any(PgPool::is_closed) {
            return;
        }
        if let Some(host) = primary.find_host().await {
            primary.use_host(host);
            primary.is_searching.store(false, Relaxed);
            return;
        }
        drop(primary);
        sleep(SEARCH_PAUSE).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
