//! Pages of the history of courses, and invalid requests.

use std::collections::BTreeSet;

use common::{
    api::courses::{CourseFilter, NewCourses, Resolution},
    clients::{db_proxy::DbProxyClient, http_client},
    time::Timestamp,
};
use serde_json::json;
use tests::{Platform, Stack, on_both_stacks};
use url::Url;

use super::{
    Fixture, course,
    expected_courses::{ExpectedCourses, random_requests},
    seconds, time_at,
};

on_both_stacks!(
    pages_return_each_course_and_candle_once,
    cursor_pages_have_no_gap_or_repeat_while_courses_arrive,
    filters_return_exactly_matching_courses,
    range_starts_with_course_valid_at_its_start,
    candles_start_at_whole_minutes,
    invalid_field_is_named,
    db_proxy_client_reads_written_courses,
);

const CANDLES: [Resolution; 3] = [Resolution::Minute, Resolution::Hour, Resolution::Day];

async fn fixture_with_random_courses(stack: Stack, seed: u64, count: usize) -> (Fixture, ExpectedCourses) {
    let fixture = Fixture::new(stack).await;
    let mut expected = ExpectedCourses::default();
    for request in random_requests(seed, count) {
        expected.write(&request);
        fixture.write_courses(&request).await;
    }
    (fixture, expected)
}

async fn pages_return_each_course_and_candle_once(stack: Stack) {
    let (fixture, expected) = fixture_with_random_courses(stack, 7, 80).await;
    let all = CourseFilter::default();
    // The first pass reads candles computed from courses. The second pass reads stored candles.
    for _ in 0..2 {
        for limit in [1, 7, 1000] {
            assert_eq!(fixture.all_pages(&all, Resolution::Raw, limit).await, (expected.courses(), vec![]));
            for resolution in CANDLES {
                let candles = expected.candles(resolution.width().unwrap());
                assert_eq!(
                    fixture.all_pages(&all, resolution, limit).await,
                    (vec![], candles),
                    "{resolution}, page size {limit}"
                );
            }
        }
        fixture.aggregate_all().await;
    }
    let empty = CourseFilter { exchangers: vec!["nobody".to_owned()], ..all };
    for resolution in Resolution::ALL {
        assert_eq!(fixture.all_pages(&empty, resolution, 10).await, (vec![], vec![]));
    }
}

async fn cursor_pages_have_no_gap_or_repeat_while_courses_arrive(stack: Stack) {
    for resolution in Resolution::ALL {
        let (fixture, mut expected) = fixture_with_random_courses(stack, 11, 40).await;
        let width = resolution.width().unwrap_or_default();
        let key = |exchanger: &str, direction: common::money::CurrencyPair, start: Timestamp| {
            (exchanger.to_owned(), direction, start)
        };
        let keys = |expected: &ExpectedCourses| -> BTreeSet<_> {
            if resolution == Resolution::Raw {
                expected.courses().iter().map(|row| key(&row.exchanger, row.direction, row.since)).collect()
            } else {
                expected.candles(width).iter().map(|row| key(&row.exchanger, row.direction, row.start)).collect()
            }
        };
        let before = keys(&expected);
        let (mut seen, mut cursor) = (Vec::new(), None);
        // While the pages are read, new courses arrive and older courses are aggregated.
        for (n, request) in random_requests(11, 2_000).into_iter().skip(40).enumerate() {
            let page = fixture.page(&CourseFilter::default(), resolution, cursor, 13).await;
            seen.extend(page.courses.iter().map(|row| key(&row.exchanger, row.direction, row.since)));
            seen.extend(page.candles.iter().map(|row| key(&row.exchanger, row.direction, row.start)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            if n < 30 {
                expected.write(&request);
                fixture.write_courses(&request).await;
            }
            fixture.course_store.aggregate_courses(CANDLES[n % 3]).await.unwrap();
        }
        assert_eq!(cursor, None, "the pages do not end");
        let distinct: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "{resolution}: a row was returned twice");
        assert!(before.is_subset(&distinct), "{resolution}: a row was missing");
        assert!(distinct.is_subset(&keys(&expected)), "{resolution}: an unexpected row was returned");
    }
}

async fn filters_return_exactly_matching_courses(stack: Stack) {
    let (fixture, expected) = fixture_with_random_courses(stack, 3, 120).await;
    let (stored, none) = (expected.courses(), CourseFilter::default());
    let middle = stored[stored.len() / 2].since;
    let filters = [
        CourseFilter { exchangers: vec!["kraken".to_owned()], ..none.clone() },
        CourseFilter { exchangers: vec!["kraken".to_owned(), "binance".to_owned()], ..none.clone() },
        CourseFilter { direction: Some("ETH-EUR".parse().unwrap()), ..none.clone() },
        CourseFilter { from: Some(middle), ..none.clone() },
        CourseFilter { to: Some(middle), ..none.clone() },
        CourseFilter {
            exchangers: vec!["binance".to_owned()],
            direction: Some("BTC-USD".parse().unwrap()),
            from: Some(stored[5].since),
            to: Some(middle),
        },
    ];
    for aggregated in [false, true] {
        if aggregated {
            fixture.aggregate_all().await;
        }
        for filter in &filters {
            let is_selected = |exchanger: &str, direction| {
                (filter.exchangers.is_empty() || filter.exchangers.iter().any(|name| name == exchanger))
                    && filter.direction.is_none_or(|selected| selected == direction)
            };
            let expected_rows: Vec<_> = stored
                .iter()
                .filter(|row| is_selected(&row.exchanger, row.direction))
                .filter(|row| filter.from.is_none_or(|from| row.until.is_none_or(|until| until > from)))
                .filter(|row| filter.to.is_none_or(|to| row.since < to))
                .cloned()
                .collect();
            assert!(!expected_rows.is_empty(), "{filter:?} matches no course");
            for limit in [3, 1000] {
                assert_eq!(
                    fixture.all_pages(filter, Resolution::Raw, limit).await.0,
                    expected_rows,
                    "{filter:?}, page size {limit}"
                );
            }
            for resolution in CANDLES {
                let width = resolution.width().unwrap();
                let expected_rows: Vec<_> = expected
                    .candles(width)
                    .into_iter()
                    .filter(|row| is_selected(&row.exchanger, row.direction))
                    .filter(|row| filter.from.is_none_or(|from| row.start.plus(width) > from))
                    .filter(|row| filter.to.is_none_or(|to| row.start < to))
                    .collect();
                assert_eq!(
                    fixture.all_pages(filter, resolution, 3).await.1,
                    expected_rows,
                    "{filter:?} at {resolution}"
                );
            }
        }
    }
}

async fn range_starts_with_course_valid_at_its_start(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    for (value, when) in [("1", 0), ("2", 10), ("3", 20)] {
        fixture.write_courses(&[course("kraken", "BTC-USD", value, time_at(when))]).await;
    }
    let micro = std::time::Duration::from_micros(1);
    for (from, to, values) in [
        (time_at(5), time_at(6), &["1.00"][..]),
        (time_at(10).minus(micro), time_at(10), &["1.00"]),
        (time_at(10).minus(micro), time_at(10).plus(micro), &["1.00", "2.00"]),
        (time_at(10), time_at(20), &["2.00"]),
        (time_at(25), time_at(26), &["3.00"]),
        (time_at(-9), time_at(0), &[]),
        (time_at(-9), time_at(99), &["1.00", "2.00", "3.00"]),
    ] {
        let filter = CourseFilter { from: Some(from), to: Some(to), ..CourseFilter::default() };
        let shown = fixture.all_pages(&filter, Resolution::Raw, 2).await.0;
        assert_eq!(shown.iter().map(|row| row.value.to_string()).collect::<Vec<_>>(), values, "{from} {to}");
    }
}

async fn candles_start_at_whole_minutes(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    for (value, when) in [("5", 61), ("7", 70), ("4", 119), ("6", 120)] {
        fixture.write_courses(&[course("kraken", "BTC-USD", value, time_at(when))]).await;
    }
    let filter = CourseFilter { from: Some(time_at(100)), to: Some(time_at(101)), ..CourseFilter::default() };
    for aggregated in [false, true] {
        let candle = fixture.all_pages(&filter, Resolution::Minute, 10).await.1.pop().unwrap();
        let shown = [candle.open, candle.high, candle.low, candle.close].map(|rate| rate.to_string());
        assert_eq!((candle.start, shown.join(" ").as_str(), candle.changes), (time_at(60), "5.00 7.00 4.00 4.00", 3));
        if !aggregated {
            fixture.aggregate_all().await;
        }
    }
}

async fn invalid_field_is_named(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    let path = platform.db_proxy.url("/courses");
    let course = |change: serde_json::Value| {
        let mut course = json!({
            "exchanger": "kraken", "direction": "BTC-USD", "kind": "trade", "value": "91000.5",
            "observed_at": "2026-01-02T03:04:05Z", "simulated": false,
        });
        course.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "courses": [course] }).to_string()
    };
    let later = Timestamp::now().plus(seconds(3600)).to_string();
    for (change, field) in [
        (json!({ "exchanger": "" }), "courses[0].exchanger"),
        (json!({ "exchanger": "k".repeat(33) }), "courses[0].exchanger"),
        (json!({ "exchanger": "kra\u{0}ken" }), "courses[0].exchanger"),
        (json!({ "observed_at": later }), "courses[0].observed_at"),
        (json!({ "observed_at": "1969-12-31T23:59:59Z" }), "courses[0].observed_at"),
        (json!({ "observed_at": "yesterday" }), "courses[0].observed_at"),
        (json!({ "direction": "BTC" }), "courses[0].direction"),
        (json!({ "kind": "guess" }), "courses[0].kind"),
        (json!({ "value": "0" }), "courses[0].value"),
        (json!({ "value": "1.000000001" }), "courses[0].value"),
    ] {
        platform.client.post_internal(&path, course(change)).await.invalid_fields(&[field]);
    }
    let body = course(json!({ "exchanger": "e" }));
    let entry = body.trim_start_matches("{\"courses\":[").trim_end_matches("]}");
    let over_limit = format!("{{\"courses\":[{}]}}", vec![entry; 2001].join(","));
    platform.client.post_internal(&path, over_limit).await.invalid_fields(&["courses"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("resolution=5m", "resolution"),
        ("cursor=o1f", "cursor"),
        ("direction=BTCUSD", "direction"),
        ("exchanger=a%20b", "exchanger"),
        ("from=yesterday", "from"),
        ("exchanger=kraken,a%20b", "exchanger"),
        ("exchanger=kraken,", "exchanger"),
        ("from=2026-01-02T00:00:01Z&to=2026-01-02T00:00:00Z", "from"),
    ] {
        platform.client.get_internal(format!("{path}/history?{query}")).await.invalid_fields(&[field]);
    }
    assert_eq!(platform.client.get_internal(&path).await.json(200)["courses"], json!([]));
    platform.client.get(&path).await.problem(401, "unauthorized");
    // A price-updater of a later release possibly sends more fields.
    platform.client.post_internal(&path, course(json!({ "price": "1" }))).await.json(200);
}

async fn db_proxy_client_reads_written_courses(stack: Stack) {
    let token = common::config::Secret::random();
    let platform = Platform::builder(stack).set("INTERNAL_TOKEN", token.expose()).without_prices().start().await;
    let base: Url = platform.db_proxy.url("/").parse().unwrap();
    let client = DbProxyClient::new(http_client(), base, token);
    let courses =
        vec![course("kraken", "BTC-USD", "91000.5", time_at(0)), course("binance", "BTC-USD", "91001", time_at(0))];
    assert_eq!(client.write_courses(&NewCourses { courses: courses.clone() }).await.unwrap().changed, 2);
    assert_eq!(client.write_courses(&NewCourses { courses }).await.unwrap().changed, 0);
    let current = client.current_courses().await.unwrap();
    assert_eq!(current.iter().map(|row| row.exchanger.as_str()).collect::<Vec<_>>(), ["binance", "kraken"]);
    let filter = CourseFilter { from: Some(time_at(0)), to: Some(time_at(1)), ..CourseFilter::default() };
    let page = client.course_history(&filter, Resolution::Raw, None, 1).await.unwrap();
    let next = client.course_history(&filter, Resolution::Raw, page.next_cursor, 1).await.unwrap();
    assert_eq!((page.courses.len(), next.courses.len(), next.next_cursor), (1, 1, None));
    let day = client.course_history(&filter, Resolution::Day, None, 10).await.unwrap();
    assert_eq!((day.resolution, day.candles.len(), day.candles[0].start), (Resolution::Day, 2, time_at(0)));
}
