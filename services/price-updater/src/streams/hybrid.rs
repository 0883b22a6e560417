//! An exchange that is listened to, and asked for what its feed does not tell.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{api::courses::CourseKind, money::CurrencyPair};

use super::PriceStream;
use crate::sources::{Answer, Ask, Gate, Source, SourceError};

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

    fn directions(&self) -> &[CurrencyPair] {
        self.polled.directions()
    }

    fn period(&self) -> Duration {
        self.polled.period()
    }

    fn budget_left(&self) -> u32 {
        self.polled.budget_left()
    }

    fn gate(&self) -> Option<&Gate> {
        self.polled.gate()
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let (mut tickers, simulated) = self.feed.tickers(ask.now);
        tickers.retain(|direction, _| ask.wanted.contains(direction));
        let told = Answer { tickers, simulated, ..Answer::default() };
        let known = self.polled.directions();
        let missing: Vec<_> = ask.wanted.iter().copied().filter(|wanted| known.contains(wanted)).collect();
        let missing: Vec<_> = missing.into_iter().filter(|missing| !told.tickers.contains_key(missing)).collect();
        if missing.is_empty() {
            return Ok(told);
        }
        match self.polled.ask(Ask { wanted: &missing, ..ask }).await {
            Ok(polled) => Ok(together(told, polled)),
            Err(error) if told.tickers.is_empty() => Err(error),
            Err(error) => {
                let faults = missing.into_iter().map(|direction| (direction, error.clone())).collect();
                Ok(Answer { faults, ..told })
            }
        }
    }
}

fn together(mut told: Answer, polled: Answer) -> Answer {
    told.tickers.extend(polled.tickers);
    told.faults.extend(polled.faults);
    told.simulated |= polled.simulated;
    told
}
