//! Agreed prices, and whether one may be shown as current.

use std::{fmt::Write as _, time::Duration};

use common::{
    api::courses::{AgreedPrice, CourseKind, Method},
    money::{Direction, Rate},
    time::Timestamp,
};

use crate::{
    held::{Held, Origin},
    limits::FIXING_TTL,
};

/// A price that may be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Current<'a> {
    pub(crate) agreed: &'a AgreedPrice,
    pub(crate) rate: Rate,
    pub(crate) as_of: Timestamp,
    /// From when on it must not be used.
    pub(crate) until: Timestamp,
}

/// Why there is no current price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPrice {
    #[error("there is no board yet")]
    NotYet,
    #[error("nobody tells of {0}")]
    Unknown(Direction),
    #[error("no price is agreed for {0}; /api/v1/courses lists what single exchanges tell")]
    NotAgreed(Direction),
    #[error("there is no price of {0}: {1}")]
    Refused(Direction, String),
    #[error("the last price of {0} is of {1}, which is too long ago")]
    TooOld(Direction, Timestamp),
}

/// The price of a direction, where it may be used at `now`: agreed, and true no longer than `ttl` ago.
pub(crate) fn current(
    held: &Held,
    direction: Direction,
    now: Timestamp,
    ttl: Duration,
) -> Result<Current<'_>, NoPrice> {
    let Some(agreed) = held.price(direction) else {
        return Err(match held.origin {
            Origin::Stored => NoPrice::NotYet,
            Origin::Board if held.told(direction).next().is_some() => NoPrice::NotAgreed(direction),
            Origin::Board => NoPrice::Unknown(direction),
        });
    };
    let (Some(rate), Some(as_of)) = (agreed.price, agreed.as_of) else {
        return Err(NoPrice::Refused(direction, reason(agreed)));
    };
    let until = until(held, agreed, as_of, ttl);
    if now < until { Ok(Current { agreed, rate, as_of, until }) } else { Err(NoPrice::TooOld(direction, as_of)) }
}

/// From when on a price must not be used. One that is computed with the official rate of a day is as old as that, and still
/// good while the price that it was computed with is.
fn until(held: &Held, agreed: &AgreedPrice, as_of: Timestamp, ttl: Duration) -> Timestamp {
    let own = as_of.plus(ttl);
    if agreed.method == Method::Median || agreed.legs.is_empty() {
        return own;
    }
    let legs = agreed.legs.iter().map(|&leg| leg_until(held, leg, ttl));
    // A leg that nobody tells of leaves the price as old as it says itself.
    legs.collect::<Option<Vec<_>>>().and_then(|legs| legs.into_iter().min()).unwrap_or(own)
}

fn leg_until(held: &Held, leg: Direction, ttl: Duration) -> Option<Timestamp> {
    let either = [leg, Direction::new(leg.quote, leg.base)];
    let agreed = either.iter().find_map(|&direction| held.price(direction)).filter(|p| p.method == Method::Median);
    if let Some(agreed) = agreed {
        return agreed.as_of.map(|as_of| as_of.plus(ttl));
    }
    let told = either.iter().flat_map(|&direction| held.told(direction));
    let fixings = told.filter(|course| course.kind == CourseKind::Fixing);
    fixings.map(|course| course.observed_at).max().map(|observed_at| observed_at.plus(FIXING_TTL))
}

/// Why it was refused, and what became of each vote.
fn reason(agreed: &AgreedPrice) -> String {
    let mut text = agreed.refused.clone().unwrap_or_else(|| "none was agreed".to_owned());
    let rejected = agreed.votes.iter().filter_map(|vote| Some((vote, vote.rejected?)));
    for (n, (vote, rejection)) in rejected.enumerate() {
        let why = serde_json::to_value(rejection).ok();
        let why = why.as_ref().and_then(|why| why.as_str()).unwrap_or("rejected");
        let _ = write!(text, "{}{} ({}): {why}", if n == 0 { "; " } else { ", " }, vote.exchanger, vote.told);
    }
    text
}

#[cfg(test)]
mod tests {
    use common::api::courses::{CastVote, Course, Rejection};
    use proptest::prelude::*;

    use super::*;
    use crate::given::{at, board, course, price};

    const TTL: Duration = Duration::from_secs(60);

    fn held(courses: Vec<Course>, prices: Vec<AgreedPrice>) -> Held {
        Held::new(board(at(0), courses, prices), Origin::Board, None)
    }

    fn direction(text: &str) -> Direction {
        text.parse().unwrap()
    }

    proptest! {
        /// Whatever is on the board: a price that is shown is younger than its time to live.
        #[test]
        fn an_old_price_is_never_shown_as_current(observed in 0..200_u64, asked in 0..400_u64) {
            let held = held(vec![], vec![AgreedPrice { as_of: Some(at(observed)), ..price("BTC-USD", "91000") }]);
            match current(&held, direction("BTC-USD"), at(asked), TTL) {
                Ok(current) => prop_assert!(at(asked) < current.as_of.plus(TTL)),
                Err(error) => {
                    prop_assert_eq!(error, NoPrice::TooOld(direction("BTC-USD"), at(observed)));
                    prop_assert!(asked >= observed + 60);
                }
            }
        }
    }

    #[test]
    fn a_cross_price_is_good_while_its_live_leg_is() {
        let fixing = Course { kind: CourseKind::Fixing, ..course("cbr", "USD-RUB", "80") };
        let live = AgreedPrice { as_of: Some(at(3600)), ..price("BTC-USD", "91000") };
        let cross = AgreedPrice {
            method: Method::Cross,
            legs: vec![direction("BTC-USD"), direction("USD-RUB")],
            ..price("BTC-RUB", "7280000")
        };
        let held = held(vec![fixing], vec![live, cross]);
        let rub = direction("BTC-RUB");
        let shown = current(&held, rub, at(3659), TTL).unwrap();
        assert_eq!((shown.as_of, shown.until), (at(0), at(3660)));
        assert_eq!(current(&held, rub, at(3660), TTL), Err(NoPrice::TooOld(rub, at(0))));
    }

    #[test]
    fn a_cross_price_with_a_leg_that_nobody_tells_of_is_as_old_as_it_says() {
        let legs = vec![direction("BTC-USD"), direction("USD-RUB")];
        let cross = AgreedPrice { method: Method::Cross, legs, ..price("BTC-RUB", "7280000") };
        let held = held(vec![], vec![cross, price("BTC-USD", "91000")]);
        assert!(current(&held, direction("BTC-RUB"), at(59), TTL).is_ok());
        assert!(current(&held, direction("BTC-RUB"), at(60), TTL).is_err());
    }

    #[test]
    fn a_refused_price_says_why_and_what_became_of_each_vote() {
        let vote = |exchanger: &str, rejected| CastVote {
            exchanger: exchanger.to_owned(),
            told: direction("BTC-USD"),
            value: "1".parse().unwrap(),
            vote: None,
            observed_at: at(0),
            used: false,
            rejected: Some(rejected),
        };
        let refused = AgreedPrice {
            price: None,
            as_of: None,
            refused: Some("1 of 2 exchanges".to_owned()),
            votes: vec![vote("okx", Rejection::NoConversion), vote("kraken", Rejection::Stale)],
            ..price("BTC-USD", "1")
        };
        let held = held(vec![course("kraken", "BTC-CHF", "1")], vec![refused]);
        let error = |text: &str| current(&held, direction(text), at(0), TTL).unwrap_err().to_string();
        assert_eq!(
            error("BTC-USD"),
            "there is no price of BTC-USD: 1 of 2 exchanges; okx (BTC-USD): no_conversion, kraken (BTC-USD): stale"
        );
        assert!(error("BTC-CHF").starts_with("no price is agreed for BTC-CHF"));
        assert_eq!(error("BTC-JPY"), "nobody tells of BTC-JPY");
    }
}
