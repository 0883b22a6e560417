use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Even where every answer is useless.
#[tokio::test(start_paused = true)]
async fn what_a_source_is_asked_in_its_period_is_what_it_permits() {
    for built_in in SOURCES {
        let source = testing::scripted(built_in, |_| (200, "{}".to_owned()));
        assert!(!source.pairs().is_empty() && source.budget_left() > 0, "{}", source.name());
        for _ in 0..200 {
            let answer = testing::poll_all(&*source, testing::now()).await;
            let errors = match &answer {
                Ok(answer) => answer.errors.values().collect(),
                Err(error) => vec![error],
            };
            assert!(!errors.is_empty(), "{}", source.name());
            let paused = errors.iter().find(|error| matches!(error, SourceError::Paused(_)));
            assert_eq!(paused, None, "{}", source.name());
            tokio::time::advance(source.poll_interval()).await;
        }
    }
}

/// After an hour of refusals, and with every second tried.
#[tokio::test(start_paused = true)]
async fn a_source_that_refuses_is_hardly_asked() {
    for built_in in SOURCES {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let source = testing::scripted(built_in, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            (429, "{}".to_owned())
        });
        for _ in 0..3600 {
            let answer = testing::poll_all(&*source, testing::now()).await;
            assert!(answer.map_or(true, |answer| answer.tickers.is_empty()));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // One a pair at once at most, and each time twice as long later.
        let most = source.pairs().len().min(16) * 10;
        let asked = asked.load(Ordering::SeqCst);
        assert!((1..=most).contains(&asked), "{} was asked {asked} times", source.name());
    }
}

#[test]
fn names_of_sources_are_distinct() {
    for (index, source) in SOURCES.iter().enumerate() {
        assert!(SOURCES[..index].iter().all(|other| other.name != source.name), "{}", source.name);
        assert!(source.default_url.starts_with("https://") && source.default_url.parse::<Url>().is_ok());
    }
}
