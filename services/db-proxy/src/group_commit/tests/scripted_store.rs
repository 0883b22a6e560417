//! A store in memory. A script defines how each attempt ends.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::time::Instant;

use super::*;
use crate::database::Unreachable;

/// Commands are numbers. Multiples of this number are refused.
pub const REFUSED: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Committed(u32),
    /// An earlier attempt committed the command.
    FoundCommitted(u32),
    Refused(u32),
}

/// How one attempt ends.
#[derive(Debug, Clone, Copy)]
pub enum Script {
    FailLoad(Failure),
    FailWrite(Failure),
    FailRollBack(Failure),
    /// The commit is sent, and the response is an error.
    FailCommit {
        committed: bool,
        failure: Failure,
    },
    /// The attempt succeeds after a time.
    Slow(Duration),
    /// The attempt fails after a time, before it sends the commit.
    SlowFailure(Duration),
    HangInLoad,
    HangInCommit {
        committed: bool,
    },
}

/// How one probe ends.
#[derive(Debug, Clone, Copy)]
pub enum ProbeScript {
    Fail(Failure),
    Hang,
}

#[derive(Debug, Clone, Copy)]
pub enum Failure {
    Transient,
    DiskFull,
    Unreachable,
    Permanent,
    Clock,
}

/// The fault of [`Failure::Clock`].
pub const CLOCK_FAULT: ClockFault = ClockFault::AheadOfDatabase(Duration::from_secs(3600));

impl Failure {
    pub fn error(self) -> DatabaseError {
        match self {
            Self::Clock => DatabaseError::Clock(CLOCK_FAULT),
            Self::Transient => DatabaseError::Unavailable(sqlx::Error::PoolTimedOut),
            Self::DiskFull => DatabaseError::DiskFull,
            Self::Unreachable => DatabaseError::Unreachable(Unreachable {
                address: "postgresql://127.0.0.1".into(),
                reason: "the connection was refused".into(),
            }),
            Self::Permanent => DatabaseError::Rejected(sqlx::Error::RowNotFound),
        }
    }
}

/// The script, and a record of the attempts and their effects.
#[derive(Default)]
pub struct StoreState {
    /// How the next attempts end. All further attempts succeed.
    pub script: VecDeque<Script>,
    /// When each attempt began, and its commands.
    pub attempts: Vec<(Instant, Vec<u32>)>,
    /// The committed commands, in the order of their commits.
    pub committed: Vec<u32>,
    pub rolled_back: usize,
    pub idle_runs: usize,
    pub idle_work_hangs: bool,
    /// When each probe began.
    pub probes: Vec<Instant>,
    /// How the next probes end. All further probes succeed.
    pub probe_script: VecDeque<ProbeScript>,
}

#[derive(Clone, Default)]
pub struct ScriptedStore(Arc<Mutex<StoreState>>);

impl ScriptedStore {
    pub fn new(script: impl IntoIterator<Item = Script>) -> Self {
        let store = Self::default();
        store.state().script.extend(script);
        store
    }

    pub fn state(&self) -> MutexGuard<'_, StoreState> {
        self.0.lock().unwrap()
    }

    /// The commands of each attempt.
    pub fn attempts(&self) -> Vec<Vec<u32>> {
        self.state().attempts.iter().map(|(_, commands)| commands.clone()).collect()
    }
}

impl BatchStore for ScriptedStore {
    type Command = u32;
    type Decision = Outcome;

    async fn commit_batch(&self, commands: &mut [u32], attempt: &mut Attempt) -> Result<Vec<Outcome>, DatabaseError> {
        let script = self.state().script.pop_front();
        let unit = ScriptedUnit { store: self.clone(), script, pending: Vec::new() };
        commit_batch(unit, commands, attempt).await
    }

    async fn run_idle_work(&self) -> Result<(), DatabaseError> {
        self.state().idle_runs += 1;
        if self.state().idle_work_hangs {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn probe_write(&self) -> Result<(), DatabaseError> {
        let script = {
            let mut state = self.state();
            state.probes.push(Instant::now());
            state.probe_script.pop_front()
        };
        match script {
            None => Ok(()),
            Some(ProbeScript::Fail(failure)) => Err(failure.error()),
            Some(ProbeScript::Hang) => std::future::pending().await,
        }
    }
}

pub struct ScriptedUnit {
    store: ScriptedStore,
    script: Option<Script>,
    pending: Vec<u32>,
}

impl UnitOfWork for ScriptedUnit {
    type Command = u32;
    type Snapshot = HashSet<u32>;
    type Decision = Outcome;
    type Changes = Vec<u32>;

    async fn load_snapshot(&mut self, commands: &[u32]) -> Result<HashSet<u32>, DatabaseError> {
        self.store.state().attempts.push((Instant::now(), commands.to_vec()));
        match self.script {
            Some(Script::FailLoad(failure)) => return Err(failure.error()),
            Some(Script::Slow(time)) => sleep(time).await,
            Some(Script::SlowFailure(time)) => {
                sleep(time).await;
                return Err(Failure::Transient.error());
            }
            Some(Script::HangInLoad) => std::future::pending().await,
            _ => {}
        }
        Ok(self.store.state().committed.iter().copied().collect())
    }

    fn decide(&self, committed: HashSet<u32>, commands: &mut [u32]) -> Decided<Outcome, Vec<u32>> {
        let mut changes = Vec::new();
        let decide_one = |command: &u32| match *command {
            command if committed.contains(&command) => Outcome::FoundCommitted(command),
            command if command.is_multiple_of(REFUSED) => Outcome::Refused(command),
            command => {
                changes.push(command);
                Outcome::Committed(command)
            }
        };
        let decisions = commands.iter().map(decide_one).collect();
        Decided { decisions, changes: (!changes.is_empty()).then_some(changes) }
    }

    async fn write_changes(&mut self, changes: &Vec<u32>) -> Result<(), DatabaseError> {
        if let Some(Script::FailWrite(failure)) = self.script {
            return Err(failure.error());
        }
        self.pending.clone_from(changes);
        Ok(())
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        let commits = match self.script {
            Some(Script::FailCommit { committed, .. } | Script::HangInCommit { committed }) => committed,
            _ => true,
        };
        if commits {
            self.store.state().committed.extend(&self.pending);
        }
        match self.script {
            Some(Script::FailCommit { failure, .. }) => Err(failure.error()),
            Some(Script::HangInCommit { .. }) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        if let Some(Script::FailRollBack(failure)) = self.script {
            return Err(failure.error());
        }
        self.store.state().rolled_back += 1;
        Ok(())
    }
}
