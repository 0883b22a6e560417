//! The current market snapshot: its ingestion, its filters, and the responses that are prepared from it. A market
//! snapshot contains all courses and agreed prices at one moment. A course is the last price of one pair at one
//! exchange.

mod catalogue;
mod changes;
mod filter;
mod ingest;
mod sorted;
mod store;
mod stored_courses;
mod tagged_json;
mod view;

pub(crate) use self::{
    catalogue::Catalogue,
    changes::changes_event,
    filter::{FilterParams, SnapshotFilter, parse_names},
    ingest::{ingest_snapshots, load_first_snapshot},
    sorted::SortedSnapshot,
    store::{NoSnapshotError, SnapshotStore},
    stored_courses::load_stored_snapshot,
    tagged_json::TaggedJson,
    view::{MarketSnapshotView, SnapshotOrigin},
};
