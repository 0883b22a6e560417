//! A store in memory that counts as the scripts of Redis do, and that can be unavailable.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::server::rate_limit::allowances::store::{AllowanceStore, Draw, DrawRequest, StoreError, StoreKey};

const LATENCY: Duration = Duration::from_millis(1);
/// One request, in the unit of [`Use::amount`]. In each microsecond, the amount decreases by the limit per minute.
const REQUEST: u64 = 60_000_000;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reachable {
    #[default]
    Yes,
    No,
    /// Calls get no reply, as from a frozen server.
    Silent,
}

/// One instance's view of the store. Clones are views of other instances.
#[derive(Default)]
pub(super) struct FakeStore {
    instance: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next_instance: AtomicU64,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct Use {
    amount: u64,
    at: Instant,
    limit: u64,
}

struct State {
    reachable: Reachable,
    uses: HashMap<StoreKey, Use>,
    instances: HashSet<u64>,
    epoch: u64,
    draws: usize,
    in_flight: HashMap<StoreKey, usize>,
    most_in_flight: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            reachable: Reachable::Yes,
            uses: HashMap::new(),
            instances: HashSet::new(),
            epoch: 1,
            draws: 0,
            in_flight: HashMap::new(),
            most_in_flight: 0,
        }
    }
}

impl Clone for FakeStore {
    fn clone(&self) -> Self {
        let instance = self.shared.next_instance.fetch_add(1, Ordering::Relaxed) + 1;
        Self { instance, shared: self.shared.clone() }
    }
}

impl FakeStore {
    pub fn set_reachable(&self, reachable: Reachable) {
        self.state().reachable = reachable;
    }

    /// Loses everything, as a restart does.
    pub fn lose_data(&self) {
        let mut state = self.state();
        state.uses.clear();
        state.instances.clear();
        state.epoch += 1;
    }

    /// The number of draws so far.
    pub fn draws(&self) -> usize {
        self.state().draws
    }

    /// The largest number of draws of one client at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    async fn reach(&self) -> Result<(), StoreError> {
        sleep(LATENCY).await;
        let reachable = self.state().reachable;
        match reachable {
            Reachable::Yes => Ok(()),
            Reachable::No => Err(StoreError::Timeout),
            Reachable::Silent => pending().await,
        }
    }
}

impl State {
    fn draw(&mut self, key: StoreKey, request: &DrawRequest) -> Draw {
        let (limit, now) = (u64::from(request.limit.get()), Instant::now());
        let full = limit * REQUEST;
        let stored = self.uses.get(&key).map_or(0, |stored| {
            let micros = u64::try_from(now.duration_since(stored.at).as_micros()).unwrap();
            let amount = stored.amount.saturating_sub(limit * micros);
            if stored.limit == limit { amount } else { amount.min(full) }
        });
        let used = if [0, self.epoch].contains(&request.epoch) {
            (stored + request.unreported_microrequests * 60).min(2 * full)
        } else {
            stored.max(full.min(request.estimated_microrequests * 60))
        };
        let granted = u64::from(request.requested).min(full.saturating_sub(used) / REQUEST);
        let used = used + granted * REQUEST;
        self.uses.insert(key, Use { amount: used, at: now, limit });
        let missing = (u64::from(request.chunk) * REQUEST + used).saturating_sub(full);
        Draw {
            granted: u32::try_from(granted).unwrap(),
            remaining: u32::try_from(full.saturating_sub(used) / REQUEST).unwrap(),
            refill: Duration::from_micros(missing.div_ceil(limit)),
            epoch: self.epoch,
            instances: u32::try_from(self.instances.len()).unwrap(),
        }
    }
}

#[async_trait]
impl AllowanceStore for FakeStore {
    async fn draw(&self, key: StoreKey, request: &DrawRequest) -> Result<Draw, StoreError> {
        {
            let mut state = self.state();
            state.draws += 1;
            let in_flight = state.in_flight.entry(key).or_default();
            *in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight[&key]);
        }
        let reached = self.reach().await;
        let mut state = self.state();
        *state.in_flight.entry(key).or_default() -= 1;
        reached.map(|()| state.draw(key, request))
    }

    async fn register(&self) -> Result<NonZeroU32, StoreError> {
        // The same response timeout as in `RedisStore`.
        let reached = tokio::time::timeout(Duration::from_millis(50), self.reach()).await;
        reached.unwrap_or(Err(StoreError::Timeout))?;
        let mut state = self.state();
        state.instances.insert(self.instance);
        Ok(NonZeroU32::new(u32::try_from(state.instances.len()).unwrap()).unwrap())
    }

    async fn deregister(&self) -> Result<(), StoreError> {
        self.reach().await?;
        self.state().instances.remove(&self.instance);
        Ok(())
    }
}
