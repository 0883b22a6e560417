//! Publishes prices: what the record that orders use becomes, what waits to be sent, and which changes operators are told.

mod alerts;
mod mailbox;
mod record_lifecycle;
mod snapshot;

pub(crate) use alerts::{News, tell_change};
pub(crate) use mailbox::{Outbox, Receipt};
pub(crate) use record_lifecycle::{Lifetimes, Rounds, Step, Write};
pub(crate) use snapshot::{Written, board};
