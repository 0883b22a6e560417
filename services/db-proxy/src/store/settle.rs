//! How a group is settled: the steps are each engine's own, their order is here.

use std::collections::HashMap;

use common::{money::Sats, time::Timestamp};
use uuid::Uuid;

use super::{Attempt, Clock, StoreError, asked};
use crate::ledger::{
    ChangeSet, ClientKey, Command, Decision, PlaceCommand, RecordedRefusal, RefusalKey, StoredOrder, StoredQuote,
    StoredRecords, Totals, decide,
};

/// A transaction of an engine.
pub(super) trait UnitOfWork: Send + Sized {
    /// Reads the totals, and lets no other transaction write until this one ends.
    fn lock(&mut self) -> impl Future<Output = Result<Totals, StoreError>> + Send;

    /// Marks the held quotes that ran out by `now`; what they held.
    fn release_due_quotes(&mut self, now: Timestamp) -> impl Future<Output = Result<Sats, StoreError>> + Send;

    /// The orders that these keys were used for.
    fn orders_of(
        &mut self,
        keys: &[&ClientKey],
    ) -> impl Future<Output = Result<HashMap<ClientKey, StoredOrder>, StoreError>> + Send;

    /// What was refused under these keys.
    fn refusals_of(
        &mut self,
        keys: &[&ClientKey],
    ) -> impl Future<Output = Result<HashMap<RefusalKey, RecordedRefusal>, StoreError>> + Send;

    fn quotes(&mut self, ids: Vec<Uuid>) -> impl Future<Output = Result<Vec<StoredQuote>, StoreError>> + Send;

    fn write(&mut self, changes: &ChangeSet) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn roll_back(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Decides a group and commits what is decided.
///
/// Everything is read in statements that come after the lock: the one that waited for it may see what was before.
pub(super) async fn commit_batch(
    mut steps: impl UnitOfWork,
    work: &mut [Command],
    limit: Sats,
    clock: Clock<'_>,
    attempt: &mut Attempt,
) -> Result<Vec<Decision>, StoreError> {
    let before = steps.lock().await?;
    let now = clock();
    let mut totals = before;
    if totals.reserved > Sats::ZERO {
        totals.reserved = totals.reserved.saturating_sub(steps.release_due_quotes(now).await?);
    }
    let known = known(&mut steps, work, before.last_refused_at).await?;
    let changes = decide(totals, limit, now, known, work);
    if !changes.changes() && changes.totals == before {
        steps.roll_back().await?;
        return Ok(changes.decisions);
    }
    steps.write(&changes).await?;
    attempt.commit_sent = true;
    steps.commit().await?;
    Ok(changes.decisions)
}

/// What the tables say of the keys and quotes of a group.
async fn known(
    steps: &mut impl UnitOfWork,
    work: &[Command],
    last_refused_at: Timestamp,
) -> Result<StoredRecords, StoreError> {
    let (keys, quotes) = asked(work);
    let mut known = StoredRecords::default();
    if !keys.is_empty() {
        known.orders = steps.orders_of(&keys).await?;
    }
    // As a rule nothing was refused since the oldest of them was asked for.
    if work
        .iter()
        .any(|work| matches!(work, Command::Place(PlaceCommand { asked_at, .. }) if *asked_at <= last_refused_at))
    {
        known.refusals = steps.refusals_of(&keys).await?;
    }
    if !quotes.is_empty() {
        known.quotes = steps.quotes(quotes).await?.into_iter().map(|stored| (stored.quote.id, stored)).collect();
    }
    Ok(known)
}
