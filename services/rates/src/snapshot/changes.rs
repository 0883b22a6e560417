//! The difference between two snapshots, encoded as an event of the course stream. A course is the last price of one
//! pair at one exchange. The API calls the pair `direction` and the exchange `exchanger`.

use std::{cmp::Ordering, fmt::Write as _};

use bytes::Bytes;
use common::api::{
    courses::{AgreedPrice, Course},
    rates::{PriceSummary, RemovedCourse, SnapshotChanges},
};

use super::{
    filter::SnapshotFilter,
    sorted::{SortedSnapshot, course_key, group_by_exchange},
};

/// Encodes the event with the changes from `previous` to `current`. If `previous` is `None`, the event contains
/// everything that matches the filter. Returns `None` if nothing that matches the filter has changed.
///
/// A new time alone is not a change of a course or price, because price-updater observes every course again at every
/// poll.
pub(crate) fn changes_event(
    previous: Option<&SortedSnapshot>,
    current: &SortedSnapshot,
    filter: &SnapshotFilter,
) -> Option<Bytes> {
    let matches_course = |course: &&Course| filter.matches_course(course);
    let (mut courses, mut removed) = (Vec::new(), Vec::new());
    merge_join(
        previous.map_or(&[][..], |previous| &previous.courses).iter().filter(matches_course),
        current.courses.iter().filter(matches_course),
        |a, b| course_key(a).cmp(&course_key(b)),
        |before, after| match (before, after) {
            (Some(before), None) => {
                removed.push(RemovedCourse { exchanger: before.exchanger.clone(), direction: before.direction });
            }
            (before, Some(after)) if before.is_none_or(|before| course_differs(before, after)) => courses.push(after),
            _ => {}
        },
    );
    let matches_price = |price: &&AgreedPrice| filter.matches_pair(price.direction);
    let mut prices = Vec::new();
    merge_join(
        previous.map_or(&[][..], |previous| &previous.prices).iter().filter(matches_price),
        current.prices.iter().filter(matches_price),
        |a, b| a.direction.cmp(&b.direction),
        |before, after| match (before, after) {
            (Some(before), None) if before.price.is_some() => prices.push(withdrawn_price(before)),
            (before, Some(after)) if before.is_none_or(|before| price_differs(before, after)) => {
                prices.push(price_summary(after));
            }
            _ => {}
        },
    );
    if previous.is_some() && courses.is_empty() && removed.is_empty() && prices.is_empty() {
        return None;
    }
    let courses = group_by_exchange(courses.into_iter());
    let data = SnapshotChanges { as_of: current.as_of, simulated: current.simulated, courses, removed, prices };
    let event_type = if previous.is_some() { "changes" } else { "courses" };
    Some(encode_event(event_type, &data))
}

fn encode_event(event_type: &str, data: &SnapshotChanges) -> Bytes {
    let json = serde_json::to_string(data).expect("the serialization of changes cannot fail");
    let mut text = String::with_capacity(json.len() + 64);
    // serde_json writes no line breaks, so a single `data` line is enough.
    let _ = write!(text, "event: {event_type}\nid: {}\ndata: {json}\n\n", data.as_of.micros());
    text.into()
}

fn course_differs(a: &Course, b: &Course) -> bool {
    (a.kind, a.value, a.bid, a.ask, a.simulated) != (b.kind, b.value, b.bid, b.ask, b.simulated)
}

fn price_differs(a: &AgreedPrice, b: &AgreedPrice) -> bool {
    (a.method, a.price, &a.refused, a.state, a.simulated) != (b.method, b.price, &b.refused, b.state, b.simulated)
}

fn price_summary(price: &AgreedPrice) -> PriceSummary {
    let AgreedPrice { direction, method, price, refused, as_of, state, simulated, .. } = price.clone();
    PriceSummary { direction, method, price, refused, as_of, state, simulated }
}

/// The summary of a price that the current snapshot no longer contains.
fn withdrawn_price(price: &AgreedPrice) -> PriceSummary {
    let refused = Some("no source reports this pair any more, and it cannot be computed from other prices".to_owned());
    PriceSummary { price: None, as_of: None, state: None, refused, ..price_summary(price) }
}

/// Walks two sequences that are sorted by `order`. Calls `visit` with both items if they are equal, and with one item
/// if the other sequence has no equal item.
fn merge_join<'a, T: 'a>(
    left: impl Iterator<Item = &'a T>,
    right: impl Iterator<Item = &'a T>,
    order: impl Fn(&T, &T) -> Ordering,
    mut visit: impl FnMut(Option<&'a T>, Option<&'a T>),
) {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let from_left = if order == Ordering::Greater { None } else { left.next() };
        let from_right = if order == Ordering::Less { None } else { right.next() };
        visit(from_left, from_right);
    }
}

#[cfg(test)]
mod tests;
