//! Processes that are ended by `kill -9` at random and started again at once, while clients place orders until the limit is
//! full; then every promise is checked.

mod clients;
mod targets;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{api::Code, money::Sats};
use tokio::task::JoinSet;

use self::{clients::Client, targets::Victims};
use crate::{
    Platform, Stack,
    history::{History, HistoryRecorder, Outcome, StoredState, Violation, check},
    servers::{Database, PrivateServer},
    wait_until,
};

const CLIENTS: u64 = 64;
/// What all orders of a run may come to, in satoshi.
const LIMIT: i64 = 1_000_000;
/// How long a quote is held, in seconds: short, so that many run out, and their share is asked for again.
const HOLD_SECS: &str = "1";
/// How long after the last kill every client may take to have its answer, and every quote to have given back its share.
const RECOVERY: Duration = Duration::from_secs(60);

/// What a run came to.
pub struct Report {
    pub kills: usize,
    /// Orders that a client was told of.
    pub acknowledged: usize,
    /// Requests, and those that were not answered with a decision.
    pub attempts: usize,
    pub open: usize,
    pub violations: Vec<Violation>,
    record: History,
}

impl Report {
    /// What it came to, in a line.
    pub fn summary(&self) -> String {
        let Self { kills, acknowledged, attempts, open, violations, .. } = self;
        format!(
            "{kills} kills, {acknowledged} orders acknowledged, {} violations ({attempts} requests, {open} without a decision)",
            violations.len()
        )
    }

    /// The violations, and the story of each key that one names.
    pub fn violation_details(&self) -> String {
        let details = |violation: &Violation| {
            let trace = violation.key().map(|key| self.record.trace(key)).unwrap_or_default();
            format!("{violation}\n{trace}")
        };
        self.violations.iter().map(details).collect()
    }
}

/// What the clients and whoever ends processes know of each other.
#[derive(Debug)]
struct Shared {
    history: HistoryRecorder,
    /// Orders that clients were told of.
    acknowledged: AtomicUsize,
    /// What they come to, in satoshi.
    acknowledged_sats: AtomicI64,
    /// Answers that say whether an order was placed.
    decided: AtomicUsize,
    /// Answers that say that the database is away.
    refused: AtomicUsize,
    all_kills: usize,
    /// Kills that somebody has begun, and those that are done.
    begun: AtomicUsize,
    done: AtomicUsize,
    over: AtomicBool,
}

impl Shared {
    fn new(kills: usize) -> Self {
        Self {
            history: HistoryRecorder::default(),
            acknowledged: AtomicUsize::new(0),
            acknowledged_sats: AtomicI64::new(0),
            decided: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            all_kills: kills,
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Whether there is one more kill to come, which is then the caller's.
    fn take_kill(&self) -> bool {
        self.begun.fetch_add(1, Relaxed) < self.all_kills
    }

    fn done(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    fn end(&self) {
        self.over.store(true, Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    fn count(&self, outcome: &Outcome) {
        if outcome.is_definite() {
            self.decided.fetch_add(1, Relaxed);
        }
        if *outcome == Outcome::Unavailable(Code::DatabaseUnavailable) {
            self.refused.fetch_add(1, Relaxed);
        }
    }

    async fn more_decided(&self, count: usize, limit: Duration) {
        let wanted = self.decided.load(Relaxed) + count;
        wait_until("orders are decided", limit, async || (self.decided.load(Relaxed) >= wanted).then_some(())).await;
    }

    async fn refused_for_the_database(&self) {
        let before = self.refused.load(Relaxed);
        wait_until("somebody is refused", RECOVERY, async || (self.refused.load(Relaxed) > before).then_some(())).await;
    }

    /// What orders should come to by now: in step with the kills, so that the limit is reached when most are done, and
    /// the rest happen while clients contend for the last satoshi.
    fn target(&self) -> i64 {
        let (done, all) = (self.done.load(Relaxed), self.all_kills.max(1));
        let part = i64::try_from(done * 1000 / all).unwrap();
        (LIMIT * part / 900).min(LIMIT)
    }
}

/// The database server that is killed too, where there is one.
pub async fn server(stack: Stack) -> Option<PrivateServer> {
    match stack {
        Stack::Embedded => None,
        Stack::Servers => Some(PrivateServer::postgres().await),
    }
}

/// One run on a new database: so many kills, then the limit is filled, then all is checked. Everything clients do follows
/// from the seed; when processes die does not.
pub async fn run(stack: Stack, postgres: Option<&mut PrivateServer>, kills: usize, seed: u64) -> Report {
    let database = match &postgres {
        None => Database::sqlite(),
        Some(postgres) => Database::postgres_at(&postgres.url()).await,
    };
    let url = database.url();
    let limit = Sats::new(LIMIT).unwrap();
    let platform = Platform::builder(stack).in_processes().database(&url);
    let platform = platform.set("BTC_LIMIT", limit.to_string()).set("QUOTE_HOLD_SECS", HOLD_SECS).start().await;
    let mut victims = Victims::start(&platform, stack, postgres, seed).await;

    let shared = Arc::new(Shared::new(kills));
    let doors = victims.doors();
    let client = |number| Client::new(platform.client.clone(), doors.clone(), number, seed, shared.clone());
    let clients: JoinSet<()> = (0..CLIENTS).map(|number| client(number).work()).collect();
    victims.kill_until_done(&shared).await;
    finish(clients).await;

    // What is still held is soon given back; where it is not, that is found below.
    let _ = tokio::time::timeout(RECOVERY, given_back(&url)).await;
    shared.history.close();
    finish((0..CLIENTS).map(|number| client(CLIENTS + number).fill()).collect()).await;

    let kept = wait_until("the database can be read", RECOVERY, async || StoredState::read(&url).await.ok()).await;
    let record = shared.history.take();
    Report {
        kills,
        acknowledged: shared.acknowledged.load(Relaxed),
        attempts: record.attempts.len(),
        open: record.attempts.iter().filter(|attempt| !attempt.outcome.is_definite()).count(),
        violations: check(&record, &kept, limit),
        record,
    }
}

async fn finish(clients: JoinSet<()>) {
    tokio::time::timeout(RECOVERY, clients.join_all()).await.expect("every client comes to its end");
}

async fn given_back(url: &str) {
    wait_until("nothing is held", RECOVERY, async || StoredState::reserved(url).await.ok().filter(|held| *held == 0))
        .await;
}
