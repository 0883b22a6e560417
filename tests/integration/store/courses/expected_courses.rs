//! What is to be expected of courses, told as plainly as it can be.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::courses::{Candle, Course, CourseKind, PastCourse},
    time::Timestamp,
};

use super::at;

/// Courses as they are to be kept, in the order of the series.
#[derive(Debug, Default)]
pub struct Model {
    series: Vec<Vec<PastCourse>>,
}

impl Model {
    /// Takes down one request; how many courses changed.
    pub fn write(&mut self, courses: &[Course]) -> u64 {
        let mut sent: BTreeMap<(String, String), &Course> = BTreeMap::new();
        for course in courses {
            let newest = sent.entry((course.exchanger.clone(), course.direction.to_string())).or_insert(course);
            if course.observed_at >= newest.observed_at {
                *newest = course;
            }
        }
        sent.into_values().map(|course| u64::from(self.take(course))).sum()
    }

    fn take(&mut self, course: &Course) -> bool {
        let own = |rows: &&mut Vec<PastCourse>| {
            rows[0].exchanger == course.exchanger && rows[0].direction == course.direction
        };
        let row = PastCourse {
            exchanger: course.exchanger.clone(),
            direction: course.direction,
            kind: course.kind,
            value: course.value,
            since: course.observed_at,
            until: None,
            simulated: course.simulated,
        };
        let Some(rows) = self.series.iter_mut().find(own) else {
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

    pub fn past(&self) -> Vec<PastCourse> {
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

/// Requests with a bit of everything: series that change often and seldom, some that are not in every request, some twice in
/// one, some late, and times with nothing at all.
pub fn requests(seed: u64, count: usize) -> Vec<Vec<Course>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let names = ["binance", "kraken", "ecb"];
    let directions = ["BTC-USD", "ETH-EUR"];
    let mut clock = 0;
    let mut request = || {
        clock += match random.u32(0..20) {
            0 => random.i64(1_000..30_000),
            1..=3 => random.i64(20..200),
            _ => 5,
        };
        let mut courses = Vec::new();
        for name in names {
            for direction in directions {
                for _ in 0..random.u32(0..3) {
                    let late = if random.u32(0..5) == 0 { random.i64(0..100) } else { 0 };
                    let micros = at(clock - late).micros() + random.i64(0..5);
                    // The largest rate there is, and the smallest, among them.
                    let value = match random.u32(0..30) {
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
                        simulated: random.u32(0..10) == 0,
                    });
                }
            }
        }
        courses
    };
    // The first has one course of each series, so that all are known from the start, and in this order.
    let first =
        names.iter().flat_map(|name| directions.map(|direction| super::course(name, direction, "1", at(-1_000))));
    let mut first: Vec<_> = first.collect();
    first.sort_by(|a, b| (&a.exchanger, a.direction).cmp(&(&b.exchanger, b.direction)));
    std::iter::once(first).chain(std::iter::repeat_with(&mut request).take(count - 1)).collect()
}
