//! An exchange that is listened to, and asked for what its feed does not tell.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{api::courses::CourseKind, money::CurrencyPair};

use super::PriceStream;
use crate::sources::{PollReply, PollRequest, RateLimiter, Source, SourceError};

/// The tickers of a feed where it has them, and the polled ones where not, direction by direction.
pub(crate) struct Hybrid {
    polled: Box<dyn Source>,
    feed: Arc<PriceStream>,
}

impl Hybrid {
    pub(crate) fn new(polled: Box<dyn Source>, feed: Arc<PriceStream>) -> Self {
        Self { polled, feed }
    }
}

#[async_trait]
impl Source for Hybrid {
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
        let (mut tickers, simulated) = self.feed.tickers(request.now);
        tickers.retain(|direction, _| request.pairs.contains(direction));
        let told = PollReply { tickers, simulated, ..PollReply::default() };
        let known = self.polled.pairs();
        let missing: Vec<_> = request.pairs.iter().copied().filter(|wanted| known.contains(wanted)).collect();
        let missing: Vec<_> = missing.into_iter().filter(|missing| !told.tickers.contains_key(missing)).collect();
        if missing.is_empty() {
            return Ok(told);
        }
        match self.polled.poll(PollRequest { pairs: &missing, ..request }).await {
            Ok(polled) => Ok(together(told, polled)),
            Err(error) if told.tickers.is_empty() => Err(error),
            Err(error) => {
                let errors = missing.into_iter().map(|direction| (direction, error.clone())).collect();
                Ok(PollReply { errors, ..told })
            }
        }
    }
}

fn together(mut told: PollReply, polled: PollReply) -> PollReply {
    told.tickers.extend(polled.tickers);
    told.errors.extend(polled.errors);
    told.simulated |= polled.simulated;
    told
}
