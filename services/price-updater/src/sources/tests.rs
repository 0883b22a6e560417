use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::api::courses::{MAX_COURSES, MAX_SOURCES};
use url::Url;

use super::*;
use fixtures::{now, poll_all, scripted_source};

pub(super) mod fixtures;

/// Uses responses that no source can parse.
#[tokio::test(start_paused = true)]
async fn polling_at_the_poll_interval_stays_within_rate_limits() {
    for definition in SOURCES {
        let source = scripted_source(definition, |_| (200, "{}".to_owned()));
        assert!(!source.pairs().is_empty() && source.budget_left() > 0, "{}", source.name());
        for _ in 0..200 {
            let reply = poll_all(&*source, now()).await;
            let errors = match &reply {
                Ok(reply) => reply.errors.values().collect(),
                Err(error) => vec![error],
            };
            assert!(!errors.is_empty(), "{}", source.name());
            let paused = errors.iter().find(|error| matches!(error, SourceError::Paused(_)));
            assert_eq!(paused, None, "{}", source.name());
            tokio::time::advance(source.poll_interval()).await;
        }
    }
}

/// Polls once a second for an hour.
#[tokio::test(start_paused = true)]
async fn rejections_reduce_requests() {
    for definition in SOURCES {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let source = scripted_source(definition, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            (429, "{}".to_owned())
        });
        for _ in 0..3600 {
            let reply = poll_all(&*source, now()).await;
            assert!(reply.map_or(true, |reply| reply.tickers.is_empty()));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // Backoffs double from at least 10 s, so at most ten polls in an hour send requests. A poll sends at most one
        // request for each pair, and at most 16 requests.
        let most = source.pairs().len().min(16) * 10;
        let requests = requests.load(Ordering::SeqCst);
        assert!((1..=most).contains(&requests), "{} received {requests} requests", source.name());
    }
}

#[test]
fn source_names_are_unique() {
    for (index, source) in SOURCES.iter().enumerate() {
        assert!(SOURCES[..index].iter().all(|other| other.name != source.name), "{}", source.name);
    }
}

/// A market snapshot with more than [`MAX_SOURCES`] sources or [`MAX_COURSES`] courses is refused.
#[test]
fn all_sources_and_pairs_fit_into_a_market_snapshot() {
    assert!(SOURCES.len() <= MAX_SOURCES);
    assert!(SOURCES.iter().map(|source| (source.pairs)().len()).sum::<usize>() <= MAX_COURSES);
}

#[test]
fn default_urls_are_valid() {
    for source in SOURCES {
        assert!(source.default_url.starts_with("https://") && source.default_url.parse::<Url>().is_ok());
    }
}
