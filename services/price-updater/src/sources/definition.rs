//! The definition of a built-in source, and the [`Source`] that is built from it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair},
};
use url::Url;

use super::{
    PollReply, PollRequest, Source, SourceError,
    http_client::SourceHttpClient,
    rate_limiter::{RateLimiter, RateLimits},
    transport::Transport,
};

/// A built-in source: its URL, its rate limits and its adapter.
pub(crate) struct SourceDefinition {
    /// The name of the source in settings, records and metrics.
    pub(crate) name: &'static str,
    pub(crate) kind: CourseKind,
    /// The environment variable with the base URL.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    /// Minimum time from the start of one poll to the start of the next.
    pub(super) poll_interval: Duration,
    pub(super) rate_limits: RateLimits,
    /// Returns the pairs that the source has a price for.
    pub(super) pairs: fn() -> Vec<CurrencyPair>,
    pub(super) adapter: fn() -> Box<dyn SourceAdapter>,
}

/// The part of a source that is specific to its API. Sends the requests and parses the responses.
#[async_trait]
pub(super) trait SourceAdapter: Send + Sync {
    /// Polls the source; see [`Source::poll`]. `request` contains only pairs that the source has.
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError>;
}

impl SourceDefinition {
    pub(crate) fn build(&'static self, transport: Arc<dyn Transport>, base_url: Url) -> Box<dyn Source> {
        Box::new(HttpSource {
            definition: self,
            pairs: (self.pairs)(),
            client: SourceHttpClient::new(transport, base_url, self.rate_limits),
            adapter: (self.adapter)(),
        })
    }

    /// Whether the source has a pair with this asset.
    pub(crate) fn has_asset(&self, asset: Asset) -> bool {
        (self.pairs)().iter().any(|pair| pair.base == asset || pair.quote == asset)
    }
}

impl PartialEq for SourceDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for SourceDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A source that is polled over HTTP.
struct HttpSource {
    definition: &'static SourceDefinition,
    pairs: Vec<CurrencyPair>,
    client: SourceHttpClient,
    adapter: Box<dyn SourceAdapter>,
}

#[async_trait]
impl Source for HttpSource {
    fn name(&self) -> &'static str {
        self.definition.name
    }

    fn kind(&self) -> CourseKind {
        self.definition.kind
    }

    fn pairs(&self) -> &[CurrencyPair] {
        &self.pairs
    }

    fn poll_interval(&self) -> Duration {
        self.definition.poll_interval
    }

    fn budget_left(&self) -> u32 {
        self.client.rate_limiter().available()
    }

    fn rate_limiter(&self) -> Option<&RateLimiter> {
        Some(self.client.rate_limiter())
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let pairs: Vec<_> = self.pairs.iter().copied().filter(|pair| request.pairs.contains(pair)).collect();
        self.adapter.poll(&self.client, PollRequest { pairs: &pairs, ..request }).await
    }
}
