//! Aggregation of courses into candles, and deletion of old rows.

use std::time::Duration;

use common::{
    api::courses::{Candle, CourseFilter, Resolution},
    time::{Clock, Timestamp},
};
use db_proxy::{
    courses::{CourseRetention, CourseRetentionSettings},
    retention,
};
use tests::{Stack, on_both_stacks};
use tokio_util::sync::CancellationToken;

use super::{
    Fixture, course,
    expected_courses::{ExpectedCourses, random_requests},
    time_at,
};

on_both_stacks!(
    candles_are_equal_before_and_after_aggregation,
    only_aggregated_rows_are_deleted,
    current_course_is_never_deleted,
    concurrent_aggregation_gives_the_same_candles,
    aborted_aggregation_leaves_no_partial_rows,
    retention_keeps_finer_resolutions_for_shorter_times,
    retention_task_stops_on_cancellation,
);

const CANDLES: [Resolution; 3] = [Resolution::Minute, Resolution::Hour, Resolution::Day];

fn retention_of(fixture: &Fixture, settings: CourseRetentionSettings) -> CourseRetention {
    CourseRetention { store: fixture.course_store.clone(), settings: settings.into() }
}

async fn candles(fixture: &Fixture, resolution: Resolution) -> Vec<Candle> {
    fixture.all_pages(&CourseFilter::default(), resolution, 1000).await.1
}

#[track_caller]
fn assert_same(left: &[Candle], right: &[Candle], context: &str) {
    assert_eq!(left.len(), right.len(), "{context}");
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right, "{context}");
    }
}

async fn candles_are_equal_before_and_after_aggregation(stack: Stack) {
    for seed in 20..23 {
        let fixture = Fixture::new(stack).await;
        let mut expected = ExpectedCourses::default();
        for (n, request) in random_requests(seed, 90).into_iter().enumerate() {
            expected.write(&request);
            fixture.write_courses(&request).await;
            // Courses are also aggregated before a minute, an hour or a day is complete.
            if n % 7 == 0 {
                fixture.course_store.aggregate_courses(CANDLES[n % 3]).await.unwrap();
            }
            if n % 15 == 0 {
                for resolution in CANDLES {
                    let expected_candles = expected.candles(resolution.width().unwrap());
                    assert_same(
                        &candles(&fixture, resolution).await,
                        &expected_candles,
                        &format!("seed {seed}, {resolution}, {n}"),
                    );
                }
            }
        }
        fixture.aggregate_all().await;
        // Another aggregation changes nothing.
        assert_eq!(fixture.course_store.aggregate_courses(Resolution::Minute).await.unwrap(), 0);
        for resolution in CANDLES {
            let expected_candles = expected.candles(resolution.width().unwrap());
            assert_same(
                &candles(&fixture, resolution).await,
                &expected_candles,
                &format!("seed {seed}, {resolution}, aggregated"),
            );
        }
        assert_eq!(fixture.stored_courses().await, expected.courses());
        // Deleting the finer rows does not change the coarser candles.
        let end = time_at(100 * 86_400);
        fixture.delete_ended_by(Resolution::Raw, end).await;
        for (deleted, remaining) in
            [(None, &CANDLES[..]), (Some(Resolution::Minute), &CANDLES[1..]), (Some(Resolution::Hour), &CANDLES[2..])]
        {
            if let Some(deleted) = deleted {
                fixture.delete_ended_by(deleted, end).await;
            }
            for &resolution in remaining {
                let expected_candles = expected.candles(resolution.width().unwrap());
                assert_same(
                    &candles(&fixture, resolution).await,
                    &expected_candles,
                    &format!("seed {seed}, {resolution}, {deleted:?} deleted"),
                );
            }
        }
    }
}

/// Writes one course for each twenty minutes of three days.
async fn fixture_with_three_days(stack: Stack) -> Fixture {
    let fixture = Fixture::new(stack).await;
    for n in 0..3 * 72 {
        fixture.write_courses(&[course("kraken", "BTC-USD", &(n + 1).to_string(), time_at(n * 1200))]).await;
    }
    fixture
}

async fn only_aggregated_rows_are_deleted(stack: Stack) {
    let fixture = fixture_with_three_days(stack).await;
    let end = time_at(30 * 86_400);
    for resolution in Resolution::ALL {
        assert_eq!(fixture.delete_ended_by(resolution, end).await, 0, "{resolution}");
    }
    while fixture.course_store.aggregate_courses(Resolution::Minute).await.unwrap() > 0 {}
    // The candles of a minute have not been aggregated into candles of an hour yet.
    assert_eq!(fixture.delete_ended_by(Resolution::Minute, end).await, 0);
    // Only courses that ended at the given time or earlier are deleted.
    assert_eq!(fixture.delete_ended_by(Resolution::Raw, time_at(1200).plus(Duration::from_micros(1))).await, 1);
    assert_eq!(fixture.delete_ended_by(Resolution::Raw, time_at(2400)).await, 1);
    assert_eq!(fixture.delete_ended_by(Resolution::Raw, end).await, 3 * 72 - 3);
    fixture.aggregate_all().await;
    // 71 hours and two days are complete. The last hour is incomplete, because the current course began in this hour.
    assert_eq!(fixture.delete_ended_by(Resolution::Minute, time_at(3600)).await, 3);
    assert_eq!(fixture.delete_ended_by(Resolution::Minute, end).await, 71 * 3 - 3);
    assert_eq!(fixture.delete_ended_by(Resolution::Hour, end).await, 48);
    assert_eq!(candles(&fixture, Resolution::Minute).await.len(), 3);
    assert_eq!(candles(&fixture, Resolution::Hour).await.len(), 24);
    let days = candles(&fixture, Resolution::Day).await;
    let shown: Vec<_> = days.iter().map(|day| (day.open.to_string(), day.close.to_string(), day.changes)).collect();
    let text = |open: &str, close: &str| (open.to_owned(), close.to_owned(), 72);
    assert_eq!(shown, [text("1.00", "72.00"), text("73.00", "144.00"), text("145.00", "216.00")]);
    assert_eq!(fixture.delete_ended_by(Resolution::Day, time_at(86_400)).await, 1);
}

async fn current_course_is_never_deleted(stack: Stack) {
    let fixture = fixture_with_three_days(stack).await;
    let current = fixture.current_courses().await;
    let settings =
        CourseRetentionSettings { days: Some(Duration::from_hours(24)), ..CourseRetentionSettings::default() };
    retention::run_once(&retention_of(&fixture, settings), time_at(20 * 366 * 86_400)).await.unwrap();
    assert_eq!(fixture.current_courses().await, current);
    assert_eq!(fixture.stored_courses().await.len(), 1);
    // A new course is compared with the current course.
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "216", time_at(300_000))]).await, 0);
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "217", time_at(300_000))]).await, 1);
    assert_eq!(fixture.check_courses().await, 2);
}

async fn concurrent_aggregation_gives_the_same_candles(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut expected = ExpectedCourses::default();
    let mut tasks = tokio::task::JoinSet::new();
    let stop = CancellationToken::new();
    for n in 0..4_usize {
        let (store, stop) = (fixture.another_course_store().await, stop.clone());
        tasks.spawn(async move {
            let mut round = n;
            while !stop.is_cancelled() {
                store.aggregate_courses(CANDLES[round % 3]).await.unwrap();
                store.delete_courses(Resolution::Raw, time_at(100 * 86_400), 50).await.unwrap();
                round += 1;
            }
        });
    }
    for request in random_requests(31, 120) {
        assert_eq!(fixture.write_courses(&request).await, expected.write(&request));
    }
    stop.cancel();
    tasks.join_all().await;
    for aggregated in [false, true] {
        if aggregated {
            fixture.aggregate_all().await;
        }
        for resolution in CANDLES {
            let expected_candles = expected.candles(resolution.width().unwrap());
            assert_same(
                &candles(&fixture, resolution).await,
                &expected_candles,
                &format!("{resolution}, {aggregated}"),
            );
        }
    }
}

async fn aborted_aggregation_leaves_no_partial_rows(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut expected = ExpectedCourses::default();
    for request in random_requests(41, 200) {
        expected.write(&request);
        fixture.write_courses(&request).await;
    }
    for n in 0..60_u64 {
        let store = fixture.another_course_store().await;
        let step = tokio::spawn(async move {
            store.aggregate_courses(CANDLES[usize::try_from(n % 3).unwrap()]).await.unwrap();
            store.delete_courses(Resolution::Raw, time_at(100 * 86_400), 20).await.unwrap();
        });
        // The task is aborted at a different point each time.
        for _ in 0..n * 3 {
            tokio::task::yield_now().await;
        }
        step.abort();
        let _ = step.await;
    }
    for resolution in CANDLES {
        let expected_candles = expected.candles(resolution.width().unwrap());
        assert_same(&candles(&fixture, resolution).await, &expected_candles, &format!("{resolution}"));
    }
}

async fn retention_keeps_finer_resolutions_for_shorter_times(stack: Stack) {
    let fixture = fixture_with_three_days(stack).await;
    let day = Duration::from_hours(24);
    let settings = CourseRetentionSettings { raw: day, minutes: day * 2, hours: day * 30, days: None };
    retention::run_once(&retention_of(&fixture, settings), time_at(3 * 86_400)).await.unwrap();
    // The courses of the last day remain.
    assert_eq!(fixture.stored_courses().await.len(), 72);
    assert_eq!(candles(&fixture, Resolution::Minute).await.len(), 2 * 72);
    assert_eq!(candles(&fixture, Resolution::Hour).await.len(), 72);
    assert_eq!(candles(&fixture, Resolution::Day).await.len(), 3);
    let month =
        CourseFilter { from: Some(time_at(-86_400)), to: Some(time_at(30 * 86_400)), ..CourseFilter::default() };
    assert_eq!(fixture.all_pages(&month, Resolution::Hour, 5).await.1.len(), 72);
}

async fn retention_task_stops_on_cancellation(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let stop = CancellationToken::new();
    let task = retention::run_periodically(
        retention_of(&fixture, CourseRetentionSettings::default()),
        Clock::starting_at(Timestamp::now()),
    );
    let task = tokio::spawn(stop.clone().run_until_cancelled_owned(task));
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), task).await.expect("the task ends");
    assert_eq!(ended.unwrap(), None);
}
