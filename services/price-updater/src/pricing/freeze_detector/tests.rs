use super::*;

const SLOT: Duration = Duration::from_secs(5);

/// Slot after slot of what each source says of bitcoin in dollars.
struct Watched {
    freeze_detector: FreezeDetector,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        Self { freeze_detector: FreezeDetector::default(), now: Instant::now() }
    }

    /// One slot; `told` are names and prices. The sources that are frozen then.
    fn slot(&mut self, told: &[(&'static str, i64)]) -> String {
        self.now += SLOT;
        let seen: Vec<_> = told.iter().map(|&(source, price)| seen(source, "BTC-USD", price)).collect();
        self.freeze_detector.observe(&seen, self.now);
        let frozen = seen.iter().filter(|one| self.freeze_detector.is_frozen(one.source, one.told));
        frozen.map(|one| one.source).collect::<Vec<_>>().join(",")
    }

    /// So many slots, of which the last one counts; prices are made of the number of the slot.
    fn slots(&mut self, slots: i64, told: impl Fn(i64) -> Vec<(&'static str, i64)>) -> String {
        (1..=slots).map(|slot| self.slot(&told(slot))).last().unwrap()
    }
}

fn seen(source: &'static str, told: &str, cents: i64) -> Observation {
    let value = Rate::from_hundred_millionths(cents * 1_000_000).unwrap();
    Observation {
        source,
        told: told.parse().unwrap(),
        numbers: (Some(value), None),
        value,
        trades: true,
        freeze_after: Duration::from_mins(1),
    }
}

#[test]
fn who_stands_still_for_a_minute_while_the_others_move_is_frozen() {
    let mut watched = Watched::new();
    let told = |slot| vec![("a", 9_100_000), ("b", 9_100_000 + slot * 5_000), ("c", 9_100_100 + slot * 5_000)];
    assert_eq!(watched.slots(12, told), "", "not before a minute is over");
    assert_eq!(watched.slots(1, |slot| told(slot + 12)), "a");
    // Until its numbers change, however little.
    assert_eq!(watched.slots(100, |_| told(13)), "a");
    assert_eq!(watched.slot(&[("a", 9_100_001), ("b", 9_165_000), ("c", 9_165_100)]), "");
}

#[test]
fn in_a_flat_market_nobody_is_frozen() {
    let mut watched = Watched::new();
    assert_eq!(watched.slots(1000, |_| vec![("a", 9_100_000), ("b", 9_100_001), ("c", 9_100_002)]), "");
    // Nor where they tremble by less than a thousandth.
    let told = |slot| vec![("a", 9_100_000), ("b", 9_100_000 + slot % 2 * 9_000), ("c", 9_100_000 + slot % 3 * 3_000)];
    assert_eq!(watched.slots(1000, told), "");
    // When it moves after hours, who does not move with it is given no further minute.
    assert_eq!(watched.slot(&[("a", 9_100_000), ("b", 9_120_000), ("c", 9_120_000)]), "a");
}

#[test]
fn a_price_that_comes_back_to_where_one_stands_does_not_make_it_alive() {
    let mut watched = Watched::new();
    let there_and_back = |slot: i64| {
        let away = 9_100_000 + (10 - (slot - 10).abs()).max(0) * 5_000;
        vec![("a", 9_100_000), ("b", away), ("c", away)]
    };
    assert_eq!(watched.slots(30, there_and_back), "a");
    // The others stand still now, at the same price: they moved less than a minute ago, and then are a flat market again.
    assert_eq!(watched.slots(100, |_| there_and_back(30)), "a");
}

#[test]
fn no_liar_that_pretends_to_move_silences_the_others() {
    let mut watched = Watched::new();
    assert_eq!(watched.slots(100, |slot| vec![("a", 9_100_000), ("b", 9_100_000), ("liar", 9_100_000 + slot)]), "");
    let wild =
        |slot: i64| vec![("a", 9_100_000), ("b", 9_100_010), ("c", 9_100_020), ("l", slot * 1_000), ("m", slot * 7)];
    assert_eq!(watched.slots(100, wild), "");
}

#[test]
fn one_that_was_away_and_comes_back_with_the_same_numbers_is_frozen() {
    let mut watched = Watched::new();
    watched.slot(&[("a", 9_100_000), ("b", 9_100_000), ("c", 9_100_000)]);
    watched.slots(20, |slot| vec![("b", 9_100_000 + slot * 5_000), ("c", 9_100_000 + slot * 5_000)]);
    assert_eq!(watched.slot(&[("a", 9_100_000), ("b", 9_200_000), ("c", 9_200_000)]), "a");
}

#[test]
fn usdt_and_dollars_move_together_and_other_coins_do_not() {
    let mut freeze_detector = FreezeDetector::default();
    let start = Instant::now();
    for slot in 0_u32..20 {
        let moved = 9_100_000 + i64::from(slot) * 5_000;
        let all = [seen("a", "BTC-USDT", 9_100_000), seen("a", "ETH-USD", 300_000), seen("b", "BTC-USD", moved)];
        freeze_detector.observe(&all, start + SLOT * slot);
    }
    assert!(freeze_detector.is_frozen("a", "BTC-USDT".parse().unwrap()));
    assert!(!freeze_detector.is_frozen("a", "ETH-USD".parse().unwrap()));
    assert!(!freeze_detector.is_frozen("b", "BTC-USD".parse().unwrap()));
}

#[test]
fn a_book_that_moves_is_alive_though_nobody_trades() {
    let mut freeze_detector = FreezeDetector::default();
    let start = Instant::now();
    for slot in 0_u32..20 {
        let bid = 9_100_000 + i64::from(slot);
        let rate = |cents: i64| Rate::from_hundred_millionths(cents * 1_000_000).unwrap();
        let quiet = seen("a", "BTC-USD", 9_100_000);
        let quiet = Observation { numbers: (quiet.numbers.0, Some((rate(bid), rate(bid + 10)))), ..quiet };
        freeze_detector
            .observe(&[quiet, seen("b", "BTC-USD", 9_100_000 + i64::from(slot) * 5_000)], start + SLOT * slot);
    }
    assert!(!freeze_detector.is_frozen("a", "BTC-USD".parse().unwrap()));
}
