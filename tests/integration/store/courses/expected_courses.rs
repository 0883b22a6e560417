//! A reference implementation of the rules for storing courses, and random requests. The tests compare the reference
//! implementation with the store.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::courses::{Candle, Course, CourseKind, StoredCourse},
    time::Timestamp,
};

use super::time_at;

/// The expected courses, by series.
#[derive(Debug, Default)]
pub struct ExpectedCourses {
    series: Vec<Vec<StoredCourse>>,
}

impl ExpectedCourses {
    /// Applies one request, and returns how many courses changed.
    pub fn write(&mut self, courses: &[Course]) -> u64 {
        let mut sent: BTreeMap<(String, String), &Course> = BTreeMap::new();
        for course in courses {
            let newest = sent.entry((course.exchanger.clone(), course.direction.to_string())).or_insert(course);
            if course.observed_at >= newest.observed_at {
                *newest = course;
            }
        }
        sent.into_values().map(|course| u64::from(self.apply(course))).sum()
    }

    fn apply(&mut self, course: &Course) -> bool {
        let is_series = |rows: &&mut Vec<StoredCourse>| {
            rows[0].exchanger == course.exchanger && rows[0].direction == course.direction
        };
        let row = StoredCourse {
            exchanger: course.exchanger.clone(),
            direction: course.direction,
            kind: course.kind,
            value: course.value,
            since: course.observed_at,
            until: None,
            simulated: course.simulated,
        };
        let Some(rows) = self.series.iter_mut().find(is_series) else {
            self.series.push(vec![row]);
            return true;
        };
        let last = rows.last_mut().unwrap();
        let same = (last.value, last.kind, last.simulated) == (row.value, row.kind, row.simulated);
        if same || row.since <= last.since {
            return false;
        }
        last.until = Some(row.since);
        rows.push(row);
        true
    }

    pub fn courses(&self) -> Vec<StoredCourse> {
        self.series.concat()
    }

    pub fn candles(&self, width: Duration) -> Vec<Candle> {
        let width = i64::try_from(width.as_micros()).unwrap();
        let mut candles: Vec<Candle> = Vec::new();
        for row in self.series.iter().flatten() {
            let start = Timestamp::from_micros(row.since.micros() / width * width).unwrap();
            match candles.last_mut() {
                Some(last)
                    if last.start == start && last.exchanger == row.exchanger && last.direction == row.direction =>
                {
                    last.high = last.high.max(row.value);
                    last.low = last.low.min(row.value);
                    last.close = row.value;
                    last.changes += 1;
                    last.simulated |= row.simulated;
                }
                _ => candles.push(Candle {
                    exchanger: row.exchanger.clone(),
                    direction: row.direction,
                    start,
                    open: row.value,
                    high: row.value,
                    low: row.value,
                    close: row.value,
                    changes: 1,
                    simulated: row.simulated,
                }),
            }
        }
        candles
    }
}

/// Returns random requests. Each request after the first has up to two courses of each series. Some courses arrive
/// late, and some requests follow a long pause.
pub fn random_requests(seed: u64, count: usize) -> Vec<Vec<Course>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let names = ["binance", "kraken", "ecb"];
    let directions = ["BTC-USD", "ETH-EUR"];
    let mut clock = 0;
    let mut request = || {
        clock += match rng.u32(0..20) {
            0 => rng.i64(1_000..30_000),
            1..=3 => rng.i64(20..200),
            _ => 5,
        };
        let mut courses = Vec::new();
        for name in names {
            for direction in directions {
                for _ in 0..rng.u32(0..3) {
                    let late = if rng.u32(0..5) == 0 { rng.i64(0..100) } else { 0 };
                    let micros = time_at(clock - late).micros() + rng.i64(0..5);
                    // The smallest and the largest possible rate are among the values.
                    let value = match rng.u32(0..30) {
                        0 => 1,
                        1 => 999_999_999_999_999_999,
                        n => 8_400_000_000_000 + i64::from(n % 4),
                    };
                    courses.push(Course {
                        exchanger: name.to_owned(),
                        direction: direction.parse().unwrap(),
                        kind: if name == "ecb" { CourseKind::Fixing } else { CourseKind::Trade },
                        value: common::money::Rate::from_hundred_millionths(value).unwrap(),
                        bid: None,
                        ask: None,
                        observed_at: Timestamp::from_micros(micros).unwrap(),
                        simulated: rng.u32(0..10) == 0,
                    });
                }
            }
        }
        courses
    };
    // The first request has one course of each series, which fixes the order of the series.
    let first =
        names.iter().flat_map(|name| directions.map(|direction| super::course(name, direction, "1", time_at(-1_000))));
    let mut first: Vec<_> = first.collect();
    first.sort_by(|a, b| (&a.exchanger, a.direction).cmp(&(&b.exchanger, b.direction)));
    std::iter::once(first).chain(std::iter::repeat_with(&mut request).take(count - 1)).collect()
}
