//! The current market snapshot: from its sources to the responses that are prepared from it.

mod catalogue;
mod changes;
mod filter;
mod ingest;
mod store;
mod stored_courses;
mod view;

pub(crate) use self::{
    changes::changes_event,
    filter::{FilterParams, SnapshotFilter},
    ingest::follow,
    store::SnapshotStore,
    stored_courses::load_stored_snapshot,
    view::{MarketSnapshotView, SharedView, SnapshotOrigin, TaggedJson},
};
