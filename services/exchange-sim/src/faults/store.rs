//! The faults that are there: those that were set by hand, and those that come by the timeline.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::time::Timestamp;

use super::{ActiveFault, Fault, FaultError, MAX_AT, MAX_TIMELINE, TimedFault, within};

/// The faults of all exchanges: at most one of each is there at a time. One that was set by hand goes before those of the
/// timeline; of those, the one that began last.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_hand: BTreeMap<String, Fault>,
    timeline: Vec<(String, Fault)>,
    /// When an exchange was mended by hand: what the timeline had begun before is over.
    mended: BTreeMap<String, Timestamp>,
}

impl State {
    fn of(&self, exchange: &str, now: Timestamp) -> Option<&Fault> {
        let by_hand = self.by_hand.get(exchange).filter(|fault| now < fault.until);
        let mended = self.mended.get(exchange);
        let begun = |fault: &&Fault| fault.since <= now && now < fault.until;
        let timed = self.timeline.iter().filter(|(name, _)| name == exchange).map(|(_, fault)| fault);
        let timed = timed.filter(begun).filter(|fault| mended.is_none_or(|mended| fault.since > *mended));
        by_hand.or_else(|| timed.max_by_key(|fault| fault.since))
    }
}

impl Faults {
    /// What is wrong with an exchange now, over HTTP and over websockets alike.
    pub fn of(&self, exchange: &str, now: Timestamp) -> Option<Fault> {
        self.lock().of(exchange, now).cloned()
    }

    /// Puts a fault in the place of the one that is there.
    pub(crate) fn set(&self, exchange: &str, fault: Fault) -> ActiveFault {
        let shown = fault.shown(exchange);
        self.lock().by_hand.insert(exchange.to_owned(), fault);
        shown
    }

    /// Ends what is wrong with an exchange now; what the timeline has for later still comes.
    pub(crate) fn end(&self, exchange: &str, now: Timestamp) {
        let mut state = self.lock();
        state.by_hand.remove(exchange);
        state.mended.insert(exchange.to_owned(), now);
    }

    /// Puts a timeline in the place of the one that is there. Its seconds count from `start`.
    pub(crate) fn set_timeline(&self, faults: Vec<(String, Fault)>) {
        let mut state = self.lock();
        state.timeline = faults;
        state.mended.clear();
    }

    /// The whole timeline, what is over and what is to come.
    pub(crate) fn timeline(&self) -> Vec<ActiveFault> {
        self.lock().timeline.iter().map(|(exchange, fault)| fault.shown(exchange)).collect()
    }

    /// What is wrong with any of the exchanges now.
    pub(crate) fn all(&self, exchanges: &[&str], now: Timestamp) -> Vec<ActiveFault> {
        let state = self.lock();
        exchanges.iter().filter_map(|name| Some(state.of(name, now)?.shown(name))).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults of a timeline that begins at `start`, or the number (from 0) of the first that makes no sense, and why.
pub(crate) fn timed(
    timeline: &[TimedFault],
    exchanges: &[&str],
    start: Timestamp,
) -> Result<Vec<(String, Fault)>, (usize, FaultError)> {
    if timeline.len() > MAX_TIMELINE {
        let reason = format!("has more than {MAX_TIMELINE} faults");
        return Err((MAX_TIMELINE, FaultError::new("timeline", reason)));
    }
    let one = |(index, timed): (usize, &TimedFault)| {
        let named = |error| (index, error);
        if !exchanges.contains(&timed.exchange.as_str()) {
            let reason = format!("must be one of {}", exchanges.join(", "));
            return Err(named(FaultError::new("exchange", reason)));
        }
        within("at_seconds", &timed.at_seconds, 0..=MAX_AT).map_err(named)?;
        let since = start.plus(Duration::from_secs(timed.at_seconds));
        let fault = Fault::new(&timed.ordered(), since).map_err(named)?;
        Ok((timed.exchange.clone(), fault))
    };
    timeline.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{FaultKind, NewFault};

    const NAMES: &[&str] = &["coinbase", "kraken"];

    fn fault(kind: FaultKind, now: Timestamp) -> Fault {
        Fault::new(&NewFault { seconds: Some(10), ..NewFault::of(kind) }, now).unwrap()
    }

    #[test]
    fn a_fault_ends_by_itself_or_when_it_is_ended() {
        let (faults, now) = (Faults::default(), Timestamp::now());
        let down = fault(FaultKind::Down, now);
        faults.set("kraken", down.clone());
        assert_eq!(faults.of("kraken", now), Some(down.clone()));
        assert_eq!(faults.of("coinbase", now), None);
        assert_eq!(faults.all(NAMES, now).len(), 1);
        assert_eq!(faults.of("kraken", down.until), None);
        faults.end("kraken", now);
        assert!(faults.all(NAMES, now).is_empty());
    }

    #[test]
    fn a_timeline_comes_at_its_times_and_gives_way_to_what_is_set_by_hand() {
        let (faults, start) = (Faults::default(), Timestamp::now());
        let json = r#"[{"exchange":"kraken","at_seconds":10,"seconds":20,"fault":"frozen"},
            {"exchange":"kraken","at_seconds":20,"seconds":20,"fault":"lie_factor","factor":1.5}]"#;
        let timeline: Vec<TimedFault> = serde_json::from_str(json).unwrap();
        faults.set_timeline(timed(&timeline, NAMES, start).unwrap());
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        let kind = |seconds| faults.of("kraken", at(seconds)).map(|fault| fault.kind);
        let kinds = [0, 9, 10, 19, 20, 39, 40].map(kind);
        let (frozen, lie) = (Some(FaultKind::Frozen), Some(FaultKind::LieFactor));
        assert_eq!(kinds, [None, None, frozen, frozen, lie, lie, None]);

        faults.set("kraken", fault(FaultKind::Down, at(12)));
        assert_eq!(kind(13), Some(FaultKind::Down));
        faults.end("kraken", at(14));
        assert_eq!([15, 19, 20].map(kind), [None, None, lie]);
        assert_eq!(faults.timeline().len(), 2);
    }

    #[test]
    fn the_place_of_what_is_wrong_in_a_timeline_is_told() {
        let check = |json: &str| {
            let timeline: Vec<TimedFault> = serde_json::from_str(json).unwrap();
            timed(&timeline, NAMES, Timestamp::now()).map(|_| ()).map_err(|(index, error)| (index, error.field))
        };
        assert_eq!(check(r#"[{"exchange":"mtgox","at_seconds":0,"fault":"down"}]"#), Err((0, "exchange")));
        let late = r#"[{"exchange":"kraken","at_seconds":31536001,"fault":"down"}]"#;
        assert_eq!(check(late), Err((0, "at_seconds")));
        let second = r#"[{"exchange":"kraken","at_seconds":0,"fault":"down"},
            {"exchange":"kraken","at_seconds":0,"fault":"down","days":2}]"#;
        assert_eq!(check(second), Err((1, "days")));
    }
}
