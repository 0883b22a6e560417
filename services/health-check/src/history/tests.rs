use std::io::Write as _;

use common::api::alerts::NewSilence;

use super::*;
use crate::{alerts::silences::Silences, clock::tests::instants_at};

fn state(subject: &str, state: &str) -> AbnormalState {
    AbnormalState {
        kind: HistoryKind::Service,
        subject: subject.to_owned(),
        state: state.to_owned(),
        why: "a reason".to_owned(),
    }
}

fn update(history: &mut History, states: &[AbnormalState], secs: u64) {
    let now = instants_at(secs);
    history.update(states.to_vec(), |_| Some(now.wall), now);
}

/// The subject, the state, the start and the end (in seconds) of each period, newest first.
fn shown(history: &History) -> Vec<String> {
    let seconds = |time: Timestamp| time.since(instants_at(0).wall).as_secs();
    let periods = history.page(&HistoryFilter::default(), None, 100).data;
    let text = |period: HistoryPeriod| {
        let to = period.to.map(|to| seconds(to).to_string()).unwrap_or_default();
        format!("{} {} {}-{to}", period.subject, period.state, seconds(period.from))
    };
    periods.into_iter().map(text).collect()
}

fn in_memory() -> History {
    History::open(&HistoryConfig::default(), instants_at(0).wall).unwrap().history
}

#[test]
fn each_state_is_one_period_from_its_beginning_to_its_end() {
    let mut history = in_memory();
    update(&mut history, &[state("a", "degraded")], 1);
    update(&mut history, &[state("a", "degraded"), state("b", "missing")], 2);
    update(&mut history, &[state("a", "missing"), state("b", "missing")], 3);
    update(&mut history, &[state("b", "missing")], 4);
    assert_eq!(shown(&history), ["a missing 3-4", "b missing 2-", "a degraded 1-3"]);
}

#[test]
fn two_alerts_about_one_subject_are_two_periods() {
    let mut history = in_memory();
    let alert = |name: &str| AbnormalState { kind: HistoryKind::Alert, ..state("database", name) };
    update(&mut history, &[alert("CommitsFail"), alert("DiskNearlyFull")], 1);
    update(&mut history, &[alert("DiskNearlyFull")], 2);
    assert_eq!(shown(&history), ["database DiskNearlyFull 1-", "database CommitsFail 1-2"]);
}

#[test]
fn history_and_silences_survive_a_restart_and_a_lasting_state_continues() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder").join("history.jsonl");
    let config = HistoryConfig { file: Some(path.clone()), ..HistoryConfig::default() };
    let Restored { mut history, silences } = History::open(&config, instants_at(0).wall).unwrap();
    assert_eq!(silences, []);
    update(&mut history, &[state("a", "missing"), state("b", "missing")], 1);
    update(&mut history, &[state("b", "missing")], 2);
    let mut added = Silences::default();
    let mut add = |for_secs| {
        let new = NewSilence {
            alert: None,
            service: Some("a".to_owned()),
            for_secs,
            created_by: "ada".to_owned(),
            reason: "x".to_owned(),
        };
        let silence = added.add(new, &["a".to_owned()].into(), instants_at(0).wall).unwrap();
        history.record_silence(&silence);
        silence
    };
    let [short, long, removed] = [5, 1000, 1000].map(&mut add);
    history.record_removed_silence(&removed.id);
    drop(history);
    // The writer thread writes every queued record before it exits.
    let lines = || std::fs::read_to_string(&path).unwrap_or_default().lines().count();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while lines() < 7 {
        assert!(std::time::Instant::now() < deadline, "{} lines were written", lines());
        std::thread::yield_now();
    }
    // A crash may leave an incomplete line.
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"period\":{\"id\"").unwrap();

    let Restored { mut history, silences } = History::open(&config, instants_at(10).wall).unwrap();
    assert_eq!(silences, [long], "{short:?} has ended, and {removed:?} was removed");
    assert_eq!(lines(), 3, "the file contains only the current records");
    // After the restart, the state of b is not known yet.
    let now = instants_at(11);
    history.update(Vec::new(), |period| (period.subject != "b").then_some(now.wall), now);
    assert_eq!(shown(&history), ["b missing 1-", "a missing 1-2"]);
    update(&mut history, &[state("b", "missing")], 12);
    update(&mut history, &[], 13);
    assert_eq!(shown(&history), ["b missing 1-13", "a missing 1-2"]);
}

#[test]
fn ended_periods_are_removed_after_the_retention_and_ongoing_periods_stay() {
    let config = HistoryConfig { keep: Duration::from_secs(100), ..HistoryConfig::default() };
    let mut history = History::open(&config, instants_at(0).wall).unwrap().history;
    update(&mut history, &[state("a", "missing"), state("b", "missing")], 1);
    update(&mut history, &[state("b", "missing")], 2);
    update(&mut history, &[state("b", "missing")], 102);
    assert_eq!(shown(&history).len(), 2);
    update(&mut history, &[state("b", "missing")], 103);
    assert_eq!(shown(&history), ["b missing 1-"]);
}

#[test]
fn pages_contain_each_period_once_while_new_ones_begin() {
    let mut history = in_memory();
    for secs in 0..7 {
        update(&mut history, &[state(&secs.to_string(), "missing")], secs);
    }
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = history.page(&HistoryFilter::default(), cursor, 3);
        seen.extend(page.data.into_iter().map(|period| period.subject));
        let new = u64::try_from(10 + seen.len()).unwrap();
        update(&mut history, &[state("new", &new.to_string())], new);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"]);
}

#[test]
fn filters_select_periods_by_subject_time_and_kind() {
    let mut history = in_memory();
    update(&mut history, &[state("a", "missing")], 10);
    update(&mut history, &[state("b", "missing")], 20);
    let found = |filter: HistoryFilter| {
        let periods = history.page(&filter, None, 100).data;
        periods.into_iter().map(|period| period.subject).collect::<Vec<_>>().join(" ")
    };
    let time = |secs| Some(instants_at(secs).wall);
    assert_eq!(found(HistoryFilter { subject: Some("a".to_owned()), ..HistoryFilter::default() }), "a");
    assert_eq!(found(HistoryFilter { from: time(21), ..HistoryFilter::default() }), "b");
    assert_eq!(found(HistoryFilter { from: time(20), ..HistoryFilter::default() }), "b a");
    assert_eq!(found(HistoryFilter { to: time(20), ..HistoryFilter::default() }), "a");
    assert_eq!(found(HistoryFilter { kind: Some(HistoryKind::Alert), ..HistoryFilter::default() }), "");
}

#[test]
fn file_that_cannot_be_used_is_an_error_that_names_the_setting() {
    let config = HistoryConfig { file: Some("/proc/no/such/file".into()), ..HistoryConfig::default() };
    let error = format!("{:#}", History::open(&config, instants_at(0).wall).unwrap_err());
    assert!(error.contains("HEALTH_HISTORY_FILE=/proc/no/such/file cannot be used: "), "{error}");
    assert!(error.contains("; set HEALTH_HISTORY_FILE to") && !error.contains("os error"), "{error}");
}
