//! What differs between two boards, as an event of the stream.

use std::{cmp::Ordering, fmt::Write as _};

use bytes::Bytes;
use common::api::courses::{AgreedPrice, Course};

use crate::{
    filter::Filter,
    held::{Held, grouped, key},
    wire::{Changes, Gone, ShownPrice},
};

/// The event for a reader who has seen `before` (nothing yet, where there is none). Nothing where all that passes the filter
/// is as it was.
///
/// A time alone is no change: every course is observed anew in every slot.
pub(crate) fn changes(before: Option<&Held>, now: &Held, filter: &Filter) -> Option<Bytes> {
    let told = |course: &&Course| filter.passes(course);
    let (mut courses, mut gone) = (Vec::new(), Vec::new());
    merge(
        before.map_or(&[][..], |before| &before.courses).iter().filter(told),
        now.courses.iter().filter(told),
        |a, b| key(a).cmp(&key(b)),
        |before, now| match (before, now) {
            (Some(before), None) => {
                gone.push(Gone { exchanger: before.exchanger.clone(), direction: before.direction });
            }
            (before, Some(now)) if before.is_none_or(|before| differs(before, now)) => courses.push(now),
            _ => {}
        },
    );
    let wanted = |price: &&AgreedPrice| filter.passes_direction(price.direction);
    let mut prices = Vec::new();
    merge(
        before.map_or(&[][..], |before| &before.prices).iter().filter(wanted),
        now.prices.iter().filter(wanted),
        |a, b| a.direction.cmp(&b.direction),
        |before, now| match (before, now) {
            // One that is computed no more is one that there is no price of.
            (Some(before), None) if before.price.is_some() => prices.push(ended(before)),
            (before, Some(now)) if before.is_none_or(|before| price_differs(before, now)) => prices.push(shown(now)),
            _ => {}
        },
    );
    if before.is_some() && courses.is_empty() && gone.is_empty() && prices.is_empty() {
        return None;
    }
    let courses = grouped(courses.into_iter());
    let data = Changes { as_of: now.as_of, simulated: now.simulated, courses, gone, prices };
    let name = if before.is_some() { "changes" } else { "courses" };
    Some(event(name, &data))
}

fn event(name: &str, data: &Changes) -> Bytes {
    let json = serde_json::to_string(data).expect("changes are plain text");
    let mut text = String::with_capacity(json.len() + 64);
    // JSON of serde has no line break in it, so that one line of data is all.
    let _ = write!(text, "event: {name}\nid: {}\ndata: {json}\n\n", data.as_of.micros());
    text.into()
}

fn differs(a: &Course, b: &Course) -> bool {
    (a.kind, a.value, a.bid, a.ask, a.simulated) != (b.kind, b.value, b.bid, b.ask, b.simulated)
}

fn price_differs(a: &AgreedPrice, b: &AgreedPrice) -> bool {
    (a.method, a.price, &a.refused, a.simulated) != (b.method, b.price, &b.refused, b.simulated)
}

fn shown(price: &AgreedPrice) -> ShownPrice {
    let AgreedPrice { direction, method, price, refused, as_of, simulated, .. } = price.clone();
    ShownPrice { direction, method, price, refused, as_of, simulated }
}

fn ended(price: &AgreedPrice) -> ShownPrice {
    let refused = Some("nobody tells of it any more".to_owned());
    ShownPrice { price: None, as_of: None, refused, ..shown(price) }
}

/// Goes through two sequences in the same order; what is the same in both comes as a pair.
fn merge<'a, T: 'a>(
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
mod tests {
    use super::*;
    use crate::{
        filter::Wishes,
        given::{at, board, course, price},
        held::Origin,
    };

    fn read(event: &Bytes) -> (String, Changes) {
        let text = std::str::from_utf8(event).unwrap();
        let lines: Vec<_> = text.strip_suffix("\n\n").unwrap().lines().collect();
        let [name, id, data] = lines[..] else { panic!("{text}") };
        assert!(id.starts_with("id: "));
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), data)
    }

    fn held(secs: u64, courses: &[(&str, &str, &str)], prices: &[(&str, &str)], before: Option<&Held>) -> Held {
        let courses = courses.iter().map(|(exchanger, direction, value)| course(exchanger, direction, value));
        let courses = courses.map(|course| Course { observed_at: at(secs), ..course }).collect();
        let prices = prices.iter().map(|(direction, value)| price(direction, value)).collect();
        Held::new(board(at(secs), courses, prices), Origin::Board, before)
    }

    #[test]
    fn the_first_event_is_everything_and_a_later_one_what_differs() {
        let first = held(
            0,
            &[("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000"), ("okx", "BTC-USDT", "91001")],
            &[("BTC-EUR", "84000"), ("BTC-USD", "91000"), ("BTC-RUB", "7000000")],
            None,
        );
        let (name, all) = read(&changes(None, &first, &Filter::default()).unwrap());
        assert_eq!((name.as_str(), all.courses.len(), all.prices.len(), all.gone.len()), ("courses", 2, 3, 0));

        let second = held(
            5,
            &[("binance", "BTC-USDT", "91002"), ("kraken", "BTC-EUR", "84000"), ("kraken", "BTC-USD", "91000.01")],
            &[("BTC-EUR", "84000"), ("BTC-USD", "91000.01")],
            Some(&first),
        );
        let news = changes(Some(&first), &second, &Filter::default()).unwrap();
        assert_eq!(second.news.as_ref(), Some(&news));
        let (name, changed) = read(&news);
        assert_eq!((name.as_str(), changed.as_of), ("changes", at(5)));
        let shown =
            changed.courses.iter().flat_map(|group| group.courses.iter().map(|c| (group.exchanger.as_str(), c)));
        let shown: Vec<_> = shown.map(|(exchanger, c)| format!("{exchanger} {} {}", c.direction, c.value)).collect();
        assert_eq!(shown, ["binance BTC-USDT 91002.00", "kraken BTC-USD 91000.01"]);
        assert_eq!(changed.gone, [Gone { exchanger: "okx".to_owned(), direction: "BTC-USDT".parse().unwrap() }]);
        let prices: Vec<_> = changed.prices.iter().map(|p| (p.direction.to_string(), p.price)).collect();
        assert_eq!(prices, [("BTC-RUB".to_owned(), None), ("BTC-USD".to_owned(), Some("91000.01".parse().unwrap()))]);
    }

    #[test]
    fn a_time_alone_is_no_change_and_neither_is_what_a_filter_leaves_out() {
        let courses = [("kraken", "BTC-EUR", "84000"), ("okx", "BTC-USDT", "91001")];
        let first = held(0, &courses, &[], None);
        let second = held(5, &courses, &[], Some(&first));
        assert_eq!(second.news, None);
        let third = held(10, &[("kraken", "BTC-EUR", "84001"), courses[1]], &[], Some(&second));
        let wishes = Wishes { exchangers: Some("okx".to_owned()), ..Wishes::default() };
        let filter = wishes.check(&third.known).unwrap();
        assert_eq!(changes(Some(&first), &third, &filter), None);
        assert!(changes(Some(&first), &third, &Filter::default()).is_some());
    }
}
