//! Tests of times from a wrong clock.

use super::*;
use crate::orders::records::REFUSAL_VALIDITY;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn refusal_applies_for_a_bounded_time() {
    let mut tables = Tables::with_reserved(60);
    tables.commit(NOW, &mut [market("1", 50)]);
    tables.totals.reserved = Sats::ZERO;
    // The request was made long ago, or the clock of its sender is behind.
    let request =
        |now: Timestamp| requested_at(market_of("1", "69", Some(price(50, now.plus(MINUTE)))), NOW.minus(MINUTE));
    let last = NOW.plus(REFUSAL_VALIDITY);
    assert_eq!(refused(&tables.decide(100, last, &mut [request(last)]).decisions[0]).0, RefusalReason::LimitExceeded);
    let after = last.plus(TIME_STEP);
    placed(&tables.decide(100, after, &mut [request(after)]).decisions[0]);
}

#[test]
fn refusal_from_the_future_does_not_apply() {
    let mut tables = Tables::with_reserved(60);
    let ahead = NOW.plus(HOUR * 2);
    let too_large = market_of("1", "69", Some(price(50, ahead.plus(MINUTE))));
    let refusal = tables.commit(ahead, &mut [requested_at(too_large, NOW)]);
    assert_eq!(refused(&refusal[0]), (RefusalReason::LimitExceeded, Some(40)));
    // The clock is right again, and the order fits under the limit.
    tables.totals.reserved = Sats::ZERO;
    placed(&tables.decide(100, NOW, &mut [market("1", 50)]).decisions[0]);
    // The next refusal lowers `last_refused_at`. A batch reads no refusals if all its requests are newer than
    // `last_refused_at`.
    tables.commit(NOW, &mut [market("2", 101)]);
    assert_eq!(tables.totals.last_refused_at, NOW.plus(MAX_CLOCK_SKEW));
}

#[test]
fn price_from_the_future_is_not_used() {
    let price_ahead_by = |skew| {
        let as_of = NOW.plus(skew);
        OrderPrice { as_of, expires_at: as_of.plus(MINUTE), ..price(1, NOW) }
    };
    for (skew, usable) in [(MAX_CLOCK_SKEW, true), (MAX_CLOCK_SKEW + TIME_STEP, false), (HOUR, false)] {
        let price = price_ahead_by(skew);
        let commands = &mut [market_of("1", "69", Some(price.clone())), quote_at(price, 1)];
        for decision in Tables::empty().decide(100, NOW, commands).decisions {
            assert_eq!(!matches!(decision, Decision::Refused(_)), usable, "{skew:?}");
        }
    }
}

#[test]
fn quote_from_the_future_has_expired() {
    let mut tables = Tables::empty();
    let ahead = NOW.plus(HOUR);
    let quote_ahead = quote_at(OrderPrice { as_of: ahead, ..price(60, ahead.plus(MINUTE)) }, 30);
    let id = quoted(&tables.commit(ahead, &mut [quote_ahead])[0]).id;
    let mut take = [place("1", OrderTerms::Quote(id))];
    assert_eq!(refused(&tables.decide(100, NOW, &mut take).decisions[0]).0, RefusalReason::QuoteExpired);
    placed(&tables.decide(100, ahead.minus(MAX_CLOCK_SKEW), &mut take).decisions[0]);
}
