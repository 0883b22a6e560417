//! Checks that commits of the database are as durable as the operator declared with `DURABILITY`.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{api::health::Component, metrics::Metrics};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{MissedTickBehavior, interval};

use super::{DatabaseError, PostgresDatabase};

/// How often the settings of the server are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Which failure an acknowledged order survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the database server.
    #[default]
    Local,
    /// The loss of the database server: each commit waits until a standby has it on disk.
    Remote,
}

impl std::str::FromStr for Durability {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "local" => Ok(Self::Local),
            "remote" => Ok(Self::Remote),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Remote => "remote",
        })
    }
}

/// Settings of a PostgreSQL server that determine when it acknowledges a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSettings {
    /// `synchronous_commit` of the connection.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`. If it is empty, no commit waits for a standby.
    pub standby_names: String,
}

impl CommitSettings {
    /// Why commits with these settings are not as durable as declared. `None` if they are.
    pub fn violation(&self, declared: Durability) -> Option<String> {
        let Self { synchronous_commit, standby_names } = self;
        let accepted: &[&str] = match declared {
            Durability::Local => &["on", "remote_apply", "remote_write", "local"],
            Durability::Remote => &["on", "remote_apply"],
        };
        if !accepted.contains(&synchronous_commit.as_str()) {
            let accepted = accepted.join(", ");
            return Some(format!(
                "DURABILITY={declared} needs synchronous_commit to be one of {accepted}; it is {synchronous_commit}"
            ));
        }
        (declared == Durability::Remote && standby_names.trim().is_empty())
            .then(|| "DURABILITY=remote needs a synchronous standby; synchronous_standby_names is empty".to_owned())
    }
}

/// The numbers of standbys that a server reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standbys {
    pub connected: i64,
    /// Connected standbys for which commits wait.
    pub synchronous: i64,
    /// Connected standbys whose state the database user may not read. Members of `pg_monitor` may read it.
    pub hidden: i64,
}

impl Standbys {
    /// Why no standby confirms commits. `None` if a standby is synchronous, or if the state of a standby is hidden.
    pub fn violation(self) -> Option<String> {
        let Self { connected, synchronous, hidden } = self;
        // A standby whose state is hidden is possibly synchronous. If it is not, PostgreSQL still acknowledges no commit
        // without a standby, because `synchronous_standby_names` is not empty here.
        (synchronous == 0 && hidden == 0).then(|| {
            format!(
                "DURABILITY=remote needs a synchronous standby; of {connected} connected standbys none is synchronous"
            )
        })
    }
}

/// The result of the last check. Clones share it.
#[derive(Clone, Default)]
pub struct DurabilityStatus {
    last_check: Arc<Mutex<LastCheck>>,
    gauge: Gauge,
}

#[derive(Clone, Default)]
enum LastCheck {
    #[default]
    None,
    AsDeclared,
    Violated(String),
}

impl DurabilityStatus {
    /// Registers `database_durable`.
    pub fn register(&self, metrics: &Metrics) {
        let help = "1 if commits are as durable as DURABILITY declares";
        metrics.register("database_durable", help, self.gauge.clone());
    }

    /// The component for the readiness check.
    pub fn component(&self) -> Component {
        match self.last_check() {
            LastCheck::None => Component::not_ready("durability", "the settings of the database are not known yet"),
            LastCheck::AsDeclared => Component::ready("durability"),
            LastCheck::Violated(reason) => Component::not_ready("durability", reason),
        }
    }

    fn last_check(&self) -> LastCheck {
        self.last_check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a result. Logs each new violation, and the end of a violation. An error other than
    /// [`DatabaseError::NotDurable`] does not change the status, because the readiness check reports an unavailable
    /// database as another component.
    fn record(&self, result: Result<(), DatabaseError>) {
        let check = match result {
            Ok(()) => LastCheck::AsDeclared,
            Err(DatabaseError::NotDurable(reason)) => LastCheck::Violated(reason),
            Err(_) => return,
        };
        self.gauge.set(i64::from(matches!(check, LastCheck::AsDeclared)));
        match (self.last_check(), &check) {
            (LastCheck::Violated(old), LastCheck::Violated(reason)) if old == *reason => {}
            (_, LastCheck::Violated(reason)) => tracing::error!(reason, "orders are not as durable as declared"),
            (LastCheck::Violated(_), LastCheck::AsDeclared) => {
                tracing::info!("orders are as durable as declared again");
            }
            _ => {}
        }
        *self.last_check.lock().unwrap_or_else(PoisonError::into_inner) = check;
    }

    /// Checks the settings and the standbys immediately and then every [`CHECK_INTERVAL`]. Never returns.
    pub async fn keep_current(self, database: PostgresDatabase) {
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.record(database.check_durability().await);
        }
    }
}

#[cfg(test)]
mod tests;
