//! Agreed prices, and whether one may be shown as current.

use std::{fmt::Write as _, time::Duration};

use common::{
    api::courses::AgreedPrice,
    money::{Direction, Rate},
    time::Timestamp,
};

use crate::held::{Held, Origin};

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
    // A cross price is as old as its live leg; price-updater takes no official rate that is out of date.
    let until = as_of.plus(ttl);
    if now < until { Ok(Current { agreed, rate, as_of, until }) } else { Err(NoPrice::TooOld(direction, as_of)) }
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
