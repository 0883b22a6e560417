//! What differs between two boards, as an event of the stream.

use std::{cmp::Ordering, fmt::Write as _};

use bytes::Bytes;
use common::api::{
    courses::{AgreedPrice, Course},
    rates::{PriceSummary, RemovedCourse, SnapshotChanges},
};

use crate::{
    snapshot::SnapshotFilter,
    snapshot::view::{MarketSnapshotView, course_key, group_by_exchange},
};

/// The event for a reader who has seen `before` (nothing yet, where there is none). Nothing where all that passes the filter
/// is as it was.
///
/// A time alone is no change: every course is observed anew in every slot.
pub(crate) fn changes_event(
    before: Option<&MarketSnapshotView>,
    now: &MarketSnapshotView,
    filter: &SnapshotFilter,
) -> Option<Bytes> {
    let told = |course: &&Course| filter.passes(course);
    let (mut courses, mut gone) = (Vec::new(), Vec::new());
    merge_join(
        before.map_or(&[][..], |before| &before.courses).iter().filter(told),
        now.courses.iter().filter(told),
        |a, b| course_key(a).cmp(&course_key(b)),
        |before, now| match (before, now) {
            (Some(before), None) => {
                gone.push(RemovedCourse { exchanger: before.exchanger.clone(), direction: before.direction });
            }
            (before, Some(now)) if before.is_none_or(|before| course_differs(before, now)) => courses.push(now),
            _ => {}
        },
    );
    let wanted = |price: &&AgreedPrice| filter.passes_direction(price.direction);
    let mut prices = Vec::new();
    merge_join(
        before.map_or(&[][..], |before| &before.prices).iter().filter(wanted),
        now.prices.iter().filter(wanted),
        |a, b| a.direction.cmp(&b.direction),
        |before, now| match (before, now) {
            // One that is computed no more is one that there is no price of.
            (Some(before), None) if before.price.is_some() => prices.push(withdrawn_price(before)),
            (before, Some(now)) if before.is_none_or(|before| price_differs(before, now)) => {
                prices.push(price_summary(now))
            }
            _ => {}
        },
    );
    if before.is_some() && courses.is_empty() && gone.is_empty() && prices.is_empty() {
        return None;
    }
    let courses = group_by_exchange(courses.into_iter());
    let data = SnapshotChanges { as_of: now.as_of, simulated: now.simulated, courses, gone, prices };
    let name = if before.is_some() { "changes" } else { "courses" };
    Some(encode_event(name, &data))
}

fn encode_event(name: &str, data: &SnapshotChanges) -> Bytes {
    let json = serde_json::to_string(data).expect("changes are plain text");
    let mut text = String::with_capacity(json.len() + 64);
    // JSON of serde has no line break in it, so that one line of data is all.
    let _ = write!(text, "event: {name}\nid: {}\ndata: {json}\n\n", data.as_of.micros());
    text.into()
}

fn course_differs(a: &Course, b: &Course) -> bool {
    (a.kind, a.value, a.bid, a.ask, a.simulated) != (b.kind, b.value, b.bid, b.ask, b.simulated)
}

fn price_differs(a: &AgreedPrice, b: &AgreedPrice) -> bool {
    (a.method, a.price, &a.refused, a.simulated) != (b.method, b.price, &b.refused, b.simulated)
}

fn price_summary(price: &AgreedPrice) -> PriceSummary {
    let AgreedPrice { direction, method, price, refused, as_of, simulated, .. } = price.clone();
    PriceSummary { direction, method, price, refused, as_of, simulated }
}

fn withdrawn_price(price: &AgreedPrice) -> PriceSummary {
    let refused = Some("nobody tells of it any more".to_owned());
    PriceSummary { price: None, as_of: None, refused, ..price_summary(price) }
}

/// Goes through two sequences in the same order; what is the same in both comes as a pair.
fn merge_join<'a, T: 'a>(
    before: impl Iterator<Item = &'a T>,
    now: impl Iterator<Item = &'a T>,
    order: impl Fn(&T, &T) -> Ordering,
    mut each: impl FnMut(Option<&'a T>, Option<&'a T>),
) {
    let (mut before, mut now) = (before.peekable(), now.peekable());
    loop {
        let order = match (before.peek(), now.peek()) {
            (Some(a), Some(b)) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let left = if order == Ordering::Greater { None } else { before.next() };
        let right = if order == Ordering::Less { None } else { now.next() };
        each(left, right);
    }
}

#[cfg(test)]
mod tests;
