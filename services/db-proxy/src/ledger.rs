//! What is decided about orders, with no database in it: idempotency, the price's expiry and the limit, in the order of
//! arrival.
//!
//! A store opens a transaction that no other can run beside, reads [`Totals`] and the orders that the keys of a group
//! were used for, asks [`decide`], and writes what it says.

use std::collections::HashMap;

use common::{
    api::orders::{Order, OrderPrice, RefusalReason},
    ids::{IdempotencyKey, OrderId},
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};

use crate::order_id::order_id;

/// What all orders come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many there are, which is the sequence number of the newest.
    pub orders: i64,
    pub bitcoin: Sats,
    pub last_created_at: Timestamp,
}

/// Whose key, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub client: String,
    pub key: IdempotencyKey,
}

/// An order that waits to be decided.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    pub currency: Currency,
    pub amount: FiatAmount,
    pub price: Option<OrderPrice>,
    /// The ids that earlier tries to commit this entry gave it. An order with one of them is this entry's own work, found
    /// again after its outcome was not known.
    pub tried: Vec<OrderId>,
}

/// An order with what only the tables know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    pub seq: i64,
    pub order: Order,
}

/// What becomes of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Placed { order: Order, replayed: bool },
    Refused { reason: RefusalReason, remaining: Option<Sats> },
}

/// A row to be written, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    pub seq: i64,
    pub order: Order,
    pub sources: String,
    pub key: Key,
}

/// What becomes of a group: a decision for each entry, and what is to be written before anyone is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub decisions: Vec<Decision>,
    pub rows: Vec<NewRow>,
    pub totals: Totals,
}

/// Decides a group in the order of arrival. One refused entry does not touch the others.
///
/// `known` holds the orders that keys of this group were used for before. Ids that are given are noted in the entries.
pub fn decide(
    mut totals: Totals,
    limit: Sats,
    now: Timestamp,
    known: HashMap<Key, Order>,
    entries: &mut [Entry],
) -> Verdict {
    let mut known = known;
    let mut rows = Vec::with_capacity(entries.len());
    let decisions = entries.iter_mut().map(|entry| {
        if let Some(order) = known.get(&entry.key) {
            return repeat(entry, order);
        }
        let Some(price) = entry.price.as_ref().filter(|price| now < price.expires_at) else {
            return Decision::Refused { reason: RefusalReason::PriceUnavailable, remaining: None };
        };
        let Some(bitcoin) = totals.bitcoin.checked_add(price.bitcoin_amount).ok().filter(|total| *total <= limit)
        else {
            let remaining = Some(limit.saturating_sub(totals.bitcoin));
            return Decision::Refused { reason: RefusalReason::LimitExceeded, remaining };
        };
        // Strictly later than the order before, whatever the clock does, so that time, id and sequence sort alike.
        let created_at = now.max(totals.last_created_at.plus(std::time::Duration::from_micros(1)));
        totals = Totals { orders: totals.orders + 1, bitcoin, last_created_at: created_at };
        let order = Order {
            id: order_id(created_at),
            created_at,
            currency: entry.currency,
            amount: entry.amount,
            exchange_rate: price.exchange_rate,
            bitcoin_amount: price.bitcoin_amount,
            price_as_of: price.as_of,
            simulated: price.simulated,
        };
        entry.tried.push(order.id);
        known.insert(entry.key.clone(), order.clone());
        rows.push(NewRow {
            seq: totals.orders,
            order: order.clone(),
            sources: price.sources.join(","),
            key: entry.key.clone(),
        });
        Decision::Placed { order, replayed: false }
    });
    Verdict { decisions: decisions.collect(), rows, totals }
}

/// The answer for a key that was used before: the same order for the same request, a refusal for another.
fn repeat(entry: &Entry, order: &Order) -> Decision {
    if (order.currency, order.amount) == (entry.currency, entry.amount) {
        Decision::Placed { order: order.clone(), replayed: !entry.tried.contains(&order.id) }
    } else {
        Decision::Refused { reason: RefusalReason::KeyReused, remaining: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = match Timestamp::from_micros(1_767_323_045_000_000) {
        Ok(now) => now,
        Err(_) => panic!("a time inside the calendar"),
    };

    fn totals() -> Totals {
        Totals { orders: 0, bitcoin: Sats::ZERO, last_created_at: Timestamp::from_micros(0).unwrap() }
    }

    fn entry(key: &str, sats: i64) -> Entry {
        let price = OrderPrice {
            exchange_rate: "50000".parse().unwrap(),
            bitcoin_amount: Sats::new(sats).unwrap(),
            as_of: NOW,
            expires_at: NOW.plus(Duration::from_secs(60)),
            sources: vec!["a".to_owned(), "b".to_owned()],
            simulated: false,
        };
        Entry {
            key: Key { client: "anonymous".to_owned(), key: key.parse().unwrap() },
            currency: Currency::EUR,
            amount: "69".parse().unwrap(),
            price: Some(price),
            tried: Vec::new(),
        }
    }

    fn run(entries: &mut [Entry], limit: i64) -> Verdict {
        decide(totals(), Sats::new(limit).unwrap(), NOW, HashMap::new(), entries)
    }

    fn refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
        match decision {
            Decision::Refused { reason, remaining } => (*reason, remaining.map(Sats::get)),
            Decision::Placed { .. } => panic!("placed: {decision:?}"),
        }
    }

    #[test]
    fn the_limit_is_reached_to_the_satoshi_and_a_smaller_order_still_fits() {
        let verdict = run(&mut [entry("1", 60), entry("2", 41), entry("3", 40), entry("4", 1)], 100);
        assert_eq!(refused(&verdict.decisions[1]), (RefusalReason::LimitExceeded, Some(40)));
        assert_eq!(refused(&verdict.decisions[3]), (RefusalReason::LimitExceeded, Some(0)));
        assert_eq!(verdict.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(verdict.totals.bitcoin.get(), 100);
    }

    #[test]
    fn a_key_in_the_same_group_gives_the_same_order() {
        let verdict = run(&mut [entry("1", 60), entry("1", 60)], 100);
        let Decision::Placed { order, replayed: true } = &verdict.decisions[1] else { panic!() };
        assert_eq!(order, &verdict.rows[0].order);
        assert_eq!(verdict.rows.len(), 1);
    }

    #[test]
    fn a_key_with_another_request_is_refused_even_when_the_limit_is_full() {
        let mut other = entry("1", 1);
        other.amount = "70".parse().unwrap();
        let verdict = run(&mut [entry("1", 100), other], 100);
        assert_eq!(refused(&verdict.decisions[1]), (RefusalReason::KeyReused, None));
    }

    #[test]
    fn no_price_or_one_that_ran_out_places_nothing_but_still_repeats() {
        let mut without = entry("1", 1);
        without.price = None;
        let mut expired = entry("2", 1);
        if let Some(price) = &mut expired.price {
            price.expires_at = NOW;
        }
        let verdict = run(&mut [without.clone(), expired], 100);
        assert!(verdict.decisions.iter().all(|d| refused(d).0 == RefusalReason::PriceUnavailable));
        let known = run(&mut [entry("1", 1)], 100).rows.remove(0);
        let known = HashMap::from([(known.key, known.order)]);
        let verdict = decide(totals(), Sats::ZERO, NOW, known, &mut [without]);
        assert!(matches!(verdict.decisions[0], Decision::Placed { replayed: true, .. }));
    }

    #[test]
    fn an_order_found_again_after_an_unknown_outcome_is_no_repeat() {
        let mut entries = [entry("1", 1)];
        let row = run(&mut entries, 100).rows.remove(0);
        let known = HashMap::from([(row.key, row.order)]);
        let verdict = decide(totals(), Sats::new(100).unwrap(), NOW, known, &mut entries);
        assert!(matches!(verdict.decisions[0], Decision::Placed { replayed: false, .. }));
        assert!(verdict.rows.is_empty());
    }

    #[test]
    fn time_id_and_sequence_grow_together_also_when_the_clock_goes_back() {
        let mut entries: Vec<_> = (0..500).map(|n| entry(&n.to_string(), 1)).collect();
        let late = Totals { last_created_at: NOW.plus(Duration::from_secs(3)), ..totals() };
        let rows = decide(late, Sats::new(1000).unwrap(), NOW, HashMap::new(), &mut entries).rows;
        assert!(rows[0].order.created_at > late.last_created_at);
        assert!(
            rows.windows(2).all(|w| w[0].order.created_at < w[1].order.created_at && w[0].order.id < w[1].order.id)
        );
    }
}
