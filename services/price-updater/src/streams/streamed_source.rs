//! A source that reads its price stream first, and polls the pairs for which the stream has no recent ticker.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{api::courses::CourseKind, money::CurrencyPair};

use super::price_stream::PriceStream;
use crate::sources::{PollReply, PollRequest, RateLimiter, Source, SourceError};

pub(crate) struct StreamedSource {
    polled: Box<dyn Source>,
    stream: Arc<PriceStream>,
}

impl StreamedSource {
    pub(crate) fn new(polled: Box<dyn Source>, stream: Arc<PriceStream>) -> Self {
        Self { polled, stream }
    }
}

#[async_trait]
impl Source for StreamedSource {
    fn name(&self) -> &'static str {
        self.polled.name()
    }

    fn kind(&self) -> CourseKind {
        self.polled.kind()
    }

    fn pairs(&self) -> &[CurrencyPair] {
        self.polled.pairs()
    }

    fn poll_interval(&self) -> Duration {
        self.polled.poll_interval()
    }

    fn budget_left(&self) -> u32 {
        self.polled.budget_left()
    }

    fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.polled.rate_limiter()
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut reply = self.stream.tickers(request.now);
        reply.tickers.retain(|pair, _| request.pairs.contains(pair));
        let is_missing = |pair: &CurrencyPair| self.polled.pairs().contains(pair) && !reply.tickers.contains_key(pair);
        let missing: Vec<_> = request.pairs.iter().copied().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(reply);
        }
        match self.polled.poll(PollRequest { pairs: &missing, ..request }).await {
            Ok(polled) => {
                reply.tickers.extend(polled.tickers);
                reply.errors.extend(polled.errors);
                reply.simulated |= polled.simulated;
                Ok(reply)
            }
            Err(error) if reply.tickers.is_empty() => Err(error),
            Err(error) => {
                reply.errors = missing.into_iter().map(|pair| (pair, error.clone())).collect();
                Ok(reply)
            }
        }
    }
}
