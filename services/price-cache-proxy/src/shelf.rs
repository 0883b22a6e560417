//! What is kept: the documents there are, and the newest of each in this process, written out and ready to be sent.

use common::{
    api::{
        courses::{MarketSnapshot, SNAPSHOT_TTL},
        prices::PriceRecord,
    },
    concurrency::latest::{Expiring, Latest},
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};

/// A kind of document that is kept: of each the newest one.
pub trait Kept: Expiring + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names it in keys.
    const NAME: &'static str;

    /// A field of its JSON with a time, and the last value of it with which it has run out at `now`: how an engine that
    /// cannot read it otherwise knows whether it is still current.
    fn run_out(now: Timestamp) -> (&'static str, Timestamp);

    fn of(shelf: &Shelf) -> &Latest<Self>
    where
        Self: Sized;
}

impl Kept for PriceRecord {
    const NAME: &'static str = "record";

    fn run_out(now: Timestamp) -> (&'static str, Timestamp) {
        ("expires_at", now)
    }

    fn of(shelf: &Shelf) -> &Latest<Self> {
        &shelf.record
    }
}

impl Kept for MarketSnapshot {
    const NAME: &'static str = "board";

    fn run_out(now: Timestamp) -> (&'static str, Timestamp) {
        ("as_of", now.minus(SNAPSHOT_TTL))
    }

    fn of(shelf: &Shelf) -> &Latest<Self> {
        &shelf.board
    }
}

/// The newest document of each kind that this process knows. A clone is the same shelf.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    record: Latest<PriceRecord>,
    board: Latest<MarketSnapshot>,
}

impl Shelf {
    pub fn place<T: Kept>(&self) -> &Latest<T> {
        T::of(self)
    }
}
