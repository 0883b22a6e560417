//! All sources together: asked at once, each with its own fate.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::{
        health::Part,
        prices::{SourceFault, SourceReport},
    },
    money::{Asset, Currency, Direction, Rate},
    time::Timestamp,
};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::{
    agree::Vote,
    metrics::UpdaterMetrics,
    quote::Quote,
    sources::{Answer, Ask, Source, SourceError},
};

/// What a source has for coming back after its requests were ended at the deadline, before it is ended itself.
const GRACE: Duration = Duration::from_millis(250);

pub(crate) struct Panel {
    seats: Vec<Seat>,
    /// How long a source may take.
    timeout: Duration,
    /// Whether every source counts as simulated, whatever it says.
    simulated: bool,
    metrics: UpdaterMetrics,
}

struct Seat {
    source: Box<dyn Source>,
    last: Mutex<Last>,
}

/// What a source did last.
#[derive(Default)]
struct Last {
    asked_at: Option<Timestamp>,
    as_of: Option<Timestamp>,
    simulated: bool,
    prices: BTreeMap<Currency, Rate>,
    faults: Vec<(Option<Currency>, SourceError)>,
    ok: bool,
}

impl Panel {
    pub(crate) fn new(
        sources: Vec<Box<dyn Source>>,
        timeout: Duration,
        simulated: bool,
        metrics: UpdaterMetrics,
    ) -> Self {
        let seats = sources.into_iter().map(|source| Seat { source, last: Mutex::default() }).collect();
        Self { seats, timeout, simulated, metrics }
    }

    /// What each source says now. A source that fails, stalls or has to be left alone has no vote.
    pub(crate) async fn ask(&self, currencies: &[Currency], now: Timestamp) -> Vec<Vote> {
        let deadline = Instant::now() + self.timeout;
        let wanted: Vec<_> = currencies.iter().map(|&currency| Direction::new(Asset::BTC, currency.into())).collect();
        let answers = self.seats.iter().map(async |seat| {
            let answer = seat.ask(Ask { wanted: &wanted, now, deadline }).await;
            self.take(seat, answer, now)
        });
        join_all(answers).await
    }

    fn take(&self, seat: &Seat, answer: Result<Answer, SourceError>, now: Timestamp) -> Vote {
        let source = seat.source.name();
        let (answer, faults) = match answer {
            Ok(mut answer) => {
                let faults = std::mem::take(&mut answer.faults);
                (answer, faults.into_iter().map(|(direction, error)| (direction.quote.to_currency(), error)).collect())
            }
            Err(error) => (Answer::default(), vec![(None, error)]),
        };
        for (_, error) in &faults {
            self.metrics.source_error(source, error.kind());
        }
        let simulated = self.simulated || answer.simulated;
        let price = |(direction, quote): (&Direction, &Quote)| Some((direction.quote.to_currency()?, quote.course()));
        let prices: BTreeMap<_, _> = answer.quotes.iter().filter_map(price).collect();
        seat.lock().note(source, &prices, faults, simulated, now);
        Vote { source, simulated, prices }
    }

    pub(crate) fn reports(&self, now: Timestamp) -> Vec<SourceReport> {
        let report = |seat: &Seat| {
            let last = seat.lock();
            let fault = |(currency, error): &(Option<Currency>, SourceError)| SourceFault {
                currency: *currency,
                kind: error.kind().to_owned(),
                message: error.to_string(),
            };
            SourceReport {
                name: seat.source.name().to_owned(),
                ok: last.ok,
                simulated: last.simulated,
                asked_at: last.asked_at,
                as_of: last.as_of,
                age_seconds: last.as_of.map(|as_of| now.since(as_of).as_secs()),
                prices: last.prices.clone(),
                errors: last.faults.iter().map(fault).collect(),
            }
        };
        self.seats.iter().map(report).collect()
    }

    /// One part a source, each of which the service can do without; and one that says whether any works.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<_> = self.seats.iter().map(Seat::part).collect();
        parts.push(if parts.iter().any(|part| part.ready) {
            Part::ready("sources")
        } else {
            Part::missing("sources", "no source gives a price")
        });
        parts
    }
}

impl Seat {
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let answer = timeout_at(ask.deadline + GRACE, self.source.ask(ask)).await;
        answer.unwrap_or(Err(SourceError::Timeout))
    }

    fn part(&self) -> Part {
        let name = format!("source:{}", self.source.name());
        let last = self.lock();
        let part = match (last.ok, last.faults.first()) {
            (true, _) => Part::ready(name),
            (false, Some((_, error))) => Part::missing(name, error.to_string()),
            (false, None) => Part::missing(name, "was not asked yet"),
        };
        part.optional()
    }

    /// Every field is replaced on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn note(
        &mut self,
        source: &'static str,
        prices: &BTreeMap<Currency, Rate>,
        faults: Vec<(Option<Currency>, SourceError)>,
        simulated: bool,
        now: Timestamp,
    ) {
        let first_time = self.asked_at.is_none();
        let was_ok = std::mem::replace(&mut self.ok, !prices.is_empty());
        // Once when it begins and once when it ends: an exchange may be away for days.
        match faults.first() {
            Some((_, error)) if !self.ok && (was_ok || first_time) => {
                tracing::warn!(source, %error, kind = error.kind(), "a price source fails");
            }
            Some((currency, error)) => {
                let currency = currency.map(|c| c.to_string());
                tracing::debug!(source, ?currency, %error, "a price source gave no price");
            }
            None if !was_ok && !first_time => tracing::info!(source, "a price source works again"),
            None => {}
        }
        self.asked_at = Some(now);
        if self.ok {
            (self.as_of, self.prices, self.simulated) = (Some(now), prices.clone(), simulated);
        }
        self.faults = faults;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use common::{api::courses::CourseKind, metrics::Metrics};

    use super::*;

    const EUR: [Currency; 1] = [Currency::EUR];
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// Answers after a while, or never.
    struct Fake(&'static str, Option<Duration>, fn() -> Result<Answer, SourceError>);

    #[async_trait]
    impl Source for Fake {
        fn name(&self) -> &'static str {
            self.0
        }

        fn kind(&self) -> CourseKind {
            CourseKind::Trade
        }

        fn directions(&self) -> &[Direction] {
            &[]
        }

        fn period(&self) -> Duration {
            Duration::from_secs(5)
        }

        fn budget_left(&self) -> u32 {
            1
        }

        async fn ask(&self, _: Ask<'_>) -> Result<Answer, SourceError> {
            match self.1 {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
            (self.2)()
        }
    }

    fn price() -> Result<Answer, SourceError> {
        let quote = Quote::traded(Some(&"84000.12".into()), None, None, Timestamp::now())?;
        Ok(Answer { quotes: [(Direction::new(Asset::BTC, Asset::EUR), quote)].into(), ..Answer::default() })
    }

    fn panel(fakes: Vec<Fake>) -> Panel {
        let sources = fakes.into_iter().map(|fake| Box::new(fake) as Box<dyn Source>).collect();
        Panel::new(sources, TIMEOUT, false, UpdaterMetrics::register(&Metrics::new("price-updater")))
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_asked_at_once_and_one_that_stalls_costs_its_own_voice() {
        let second = Duration::from_secs(1);
        let panel = panel(vec![
            Fake("slow", Some(second), price),
            Fake("slower", Some(second * 4), price),
            Fake("stalled", None, price),
            Fake("broken", Some(second), || Err(SourceError::Status(520))),
        ]);
        let start = Instant::now();
        let votes = panel.ask(&EUR, Timestamp::now()).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        let voices: Vec<_> = votes.iter().filter(|vote| !vote.prices.is_empty()).map(|vote| vote.source).collect();
        assert_eq!(voices, ["slow", "slower"]);

        let parts = panel.parts();
        let ready: Vec<_> = parts.iter().filter(|part| part.ready).map(|part| part.name.as_str()).collect();
        assert_eq!(ready, ["source:slow", "source:slower", "sources"]);
        assert!(parts.iter().all(|part| part.optional == part.name.starts_with("source:")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_prices_stay_to_be_seen_with_their_age() {
        let mut panel = panel(vec![Fake("a", Some(Duration::ZERO), price)]);
        let now = Timestamp::now();
        panel.ask(&EUR, now).await;
        panel.seats[0].source = Box::new(Fake("a", Some(Duration::ZERO), || Err(SourceError::Timeout)));
        let later = now.plus(Duration::from_secs(15));
        panel.ask(&EUR, later).await;
        let report = panel.reports(later.plus(Duration::from_secs(1))).remove(0);
        assert_eq!((report.ok, report.age_seconds, report.asked_at), (false, Some(16), Some(later)));
        assert_eq!(report.prices.len(), 1);
    }
}
