//! A streamed source with a fake exchange and a fake polled source. A *course* is the last price of one pair at one
//! source.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};

use super::{
    fake_exchange::{RunningStream, btc_usdt},
    *,
};
use crate::{
    sources::{PollReply, PollRequest, Source, SourceError, Ticker, TradedPrices},
    streams::StreamedSource,
};

/// A polled source that counts its polls. It reports 83000 for every pair, or always fails.
struct FakeSource {
    pairs: Vec<CurrencyPair>,
    polls: Arc<AtomicUsize>,
    fails: bool,
}

#[async_trait]
impl Source for FakeSource {
    fn name(&self) -> &'static str {
        "okx"
    }

    fn kind(&self) -> CourseKind {
        CourseKind::Trade
    }

    fn pairs(&self) -> &[CurrencyPair] {
        &self.pairs
    }

    fn poll_interval(&self) -> Duration {
        seconds(5)
    }

    fn budget_left(&self) -> u32 {
        7
    }

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(SourceError::Timeout);
        }
        let prices = TradedPrices { last: Some(&DecimalText::from("83000")), bid: None, ask: None };
        let ticker = Ticker::traded(&prices, request.now)?;
        Ok(PollReply { tickers: request.pairs.iter().map(|pair| (*pair, ticker)).collect(), ..PollReply::default() })
    }
}

fn streamed_source(running: &RunningStream, fails: bool) -> (StreamedSource, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let pairs = vec![btc_usdt(), "ETH-USDT".parse().unwrap()];
    let polled = FakeSource { pairs, polls: polls.clone(), fails };
    (StreamedSource::new(Box::new(polled), running.stream.clone()), polls)
}

/// Each pair with its course or the kind of its error.
async fn poll(source: &StreamedSource, pairs: &[&str], now: Timestamp) -> Result<Vec<String>, SourceError> {
    let pairs: Vec<CurrencyPair> = pairs.iter().map(|text| text.parse().unwrap()).collect();
    let reply = source.poll(PollRequest { pairs: &pairs, now, deadline: Instant::now() + seconds(5) }).await?;
    let courses = reply.tickers.iter().map(|(pair, ticker)| format!("{pair} {}", ticker.course()));
    Ok(courses.chain(reply.errors.iter().map(|(pair, error)| format!("{pair} {}", error.kind()))).collect())
}

#[tokio::test(start_paused = true)]
async fn only_pairs_without_a_streamed_ticker_are_polled() {
    let mut running = RunningStream::start("okx");
    let (source, polls) = streamed_source(&running, false);
    assert_eq!((source.name(), source.budget_left(), source.pairs().len()), ("okx", 7, 2));
    let now = running.clock.now();
    // The stream has no ticker yet.
    assert_eq!(poll(&source, &["BTC-USDT"], now).await.unwrap(), ["BTC-USDT 83000.00"]);
    let okx = running.connection().await;
    okx.send_ticker("84000", 1);
    running.course().await;
    // The polled source does not have BTC-RUB, so this pair is not polled.
    assert_eq!(poll(&source, &["BTC-USDT", "BTC-RUB"], now).await.unwrap(), ["BTC-USDT 84000.00"]);
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    let both = ["BTC-USDT", "ETH-USDT"];
    assert_eq!(poll(&source, &both, now).await.unwrap(), ["BTC-USDT 84000.00", "ETH-USDT 83000.00"]);
    assert_eq!(poll(&source, &["ETH-USDT"], now).await.unwrap(), ["ETH-USDT 83000.00"]);
    sleep(Duration::from_millis(5_001)).await;
    assert_eq!(poll(&source, &both, running.clock.now()).await.unwrap(), ["BTC-USDT 83000.00", "ETH-USDT 83000.00"]);
    assert_eq!(polls.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn failed_poll_keeps_streamed_tickers() {
    let mut running = RunningStream::start("okx");
    let (source, _) = streamed_source(&running, true);
    let now = running.clock.now();
    assert_eq!(poll(&source, &["BTC-USDT"], now).await, Err(SourceError::Timeout));
    running.connection().await.send_ticker("84000", 1);
    running.course().await;
    let both = ["BTC-USDT", "ETH-USDT"];
    assert_eq!(poll(&source, &both, now).await.unwrap(), ["BTC-USDT 84000.00", "ETH-USDT timeout"]);
}
