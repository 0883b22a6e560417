//! The limit that an operator has set, and its changes.

use common::{
    api::{
        limit::{LimitChange, SetLimitCommand},
        users::UserName,
    },
    money::Sats,
    time::Timestamp,
};

use super::OrderStore;
use crate::database::{
    DatabaseError, on_engine,
    rows::{DatabaseRow, decode},
};

/// A limit to be stored.
#[derive(Debug, Clone)]
pub struct NewLimit {
    pub limit: Sats,
    /// The setting `BTC_LIMIT`. It is the old limit in the first recorded change.
    pub setting: Sats,
    pub changed_by: UserName,
    pub changed_at: Timestamp,
}

impl NewLimit {
    pub fn new(command: SetLimitCommand, setting: Sats, now: Timestamp) -> Self {
        let SetLimitCommand { limit, changed_by } = command;
        Self { limit, setting, changed_by, changed_at: now }
    }
}

impl OrderStore {
    /// Sets the limit and records the change, unless the stored limit is already the same. Every batch that is decided
    /// afterwards, by any instance, applies the limit.
    pub async fn set_limit(&self, new: &NewLimit) -> Result<(), DatabaseError> {
        on_engine!(self, store => store.set_limit(new))
    }

    /// The newest changes of the limit, newest first.
    pub async fn limit_changes(&self) -> Result<Vec<LimitChange>, DatabaseError> {
        on_engine!(self, store => store.limit_changes())
    }
}

pub(super) fn limit_change_of(row: &impl DatabaseRow) -> Result<LimitChange, DatabaseError> {
    let sats = |column| decode(column, Sats::new(row.value(column)?));
    Ok(LimitChange {
        changed_at: row.time("changed_at")?,
        changed_by: decode("limit_changes.changed_by", row.value::<&str>("changed_by")?.parse())?,
        old_limit: sats("old_sats")?,
        new_limit: sats("new_sats")?,
    })
}
