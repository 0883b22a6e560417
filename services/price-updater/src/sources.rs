//! Where prices come from: one file a source, which knows what it asks, what it accepts, and how errors look there.
//!
//! A source says what kind of number it tells ([`CourseKind`]), and only like is compared with like: a last trade with
//! its book, an index that somebody computed, and an official rate of the day are three different things.
//!
//! A further source is a file with a [`BuiltIn`] and a line in [`BUILT_IN`]. All it asks goes through [`web::Web`], so
//! that it cannot ask more often than it may.

mod budget;
mod coinbase;
mod delisted;
mod error;
mod kraken;
mod transport;
mod web;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, Direction},
    time::Timestamp,
};
use tokio::time::Instant;
use url::Url;

use budget::Limits;
pub(crate) use error::SourceError;
pub(crate) use transport::Network;
pub use transport::{InProcess, RawPage, Transport, TransportError};
use web::Web;

use crate::quote::Quote;

/// From one ask to the next of an exchange's order book.
const EXCHANGE_PERIOD: Duration = Duration::from_secs(5);

/// What a source is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Those that the source cannot tell are passed over.
    pub(crate) wanted: &'a [Direction],
    /// What an answer's quotes are stamped with: it is taken before anything is sent.
    pub(crate) now: Timestamp,
    /// When an answer is no longer waited for.
    pub(crate) deadline: Instant,
}

/// What a source said. A direction that is in neither map was not asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) quotes: BTreeMap<Direction, Quote>,
    /// What went wrong with single directions.
    pub(crate) faults: BTreeMap<Direction, SourceError>,
    /// Whether any part of it came from a simulated exchange.
    pub(crate) simulated: bool,
}

impl Answer {
    fn put(&mut self, direction: Direction, result: Result<Quote, SourceError>) {
        match result {
            Ok(quote) => drop(self.quotes.insert(direction, quote)),
            Err(error) => drop(self.faults.insert(direction, error)),
        }
    }
}

/// An exchange, an index, or a bank that publishes rates.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its name in settings, records and metrics.
    fn name(&self) -> &'static str;

    /// What its numbers mean.
    fn kind(&self) -> CourseKind;

    /// The directions it can tell, of those that the product wants.
    fn directions(&self) -> &[Direction];

    /// From the start of one ask to the start of the next that it permits, or that brings anything new.
    fn period(&self) -> Duration;

    /// How many more requests it permits now.
    fn budget_left(&self) -> u32;

    /// What it says now of those of the wanted directions that it can tell. An error is one that concerns them all.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError>;
}

/// A source that the service brings along.
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// The variable that sets where it is.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    limits: Limits,
    build: fn(Web) -> Box<dyn Source>,
}

pub(crate) const BUILT_IN: &[BuiltIn] = &[coinbase::BUILT_IN, kraken::BUILT_IN];

impl BuiltIn {
    pub(crate) fn build(&self, transport: Arc<dyn Transport>, base: Url) -> Box<dyn Source> {
        (self.build)(Web::new(transport, base, self.limits))
    }
}

impl PartialEq for BuiltIn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn direction(base: &str, quote: &str) -> Direction {
    Direction::new(Asset::of(base), Asset::of(quote))
}

fn directions<T>(all: &[(Direction, T)]) -> Vec<Direction> {
    all.iter().map(|(direction, _)| *direction).collect()
}

/// Those of `all` that are wanted, with what a source calls them.
fn wanted<T: Copy>(ask: &Ask<'_>, all: &[(Direction, T)]) -> Vec<(Direction, T)> {
    all.iter().filter(|(direction, _)| ask.wanted.contains(direction)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_are_distinct() {
        for (index, source) in BUILT_IN.iter().enumerate() {
            assert!(BUILT_IN[..index].iter().all(|other| other.name != source.name), "{}", source.name);
        }
    }
}
