//! The record in memory, for one process that runs everything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{api::prices::PriceRecord, time::Timestamp};

#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Option<PriceRecord>>>);

impl MemoryStore {
    pub(super) fn get(&self) -> Option<PriceRecord> {
        self.lock().clone()
    }

    pub(super) fn replace(&self, record: PriceRecord, now: Timestamp) -> PriceRecord {
        let mut place = self.lock();
        let newer = place.take().filter(|kept| kept.is_current(now) && kept.as_of > record.as_of);
        place.insert(newer.unwrap_or(record)).clone()
    }

    /// The record is replaced in one move, so that it is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, Option<PriceRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
