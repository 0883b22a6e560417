use common::{api::alerts::AlertState, level::Level};

use super::*;
use crate::clock::tests::instants_at;

fn silence(alert: Option<&str>, service: Option<&str>, for_secs: u64) -> NewSilence {
    let [alert, service] = [alert, service].map(|name| name.map(str::to_owned));
    NewSilence { alert, service, for_secs, created_by: "ada".to_owned(), reason: "an upgrade".to_owned() }
}

fn subjects() -> BTreeSet<String> {
    ["a", "b", "database", "db-proxy", "rates"].map(str::to_owned).into()
}

fn alert(name: &str, subject: &str, service: &str) -> Alert {
    Alert {
        name: name.to_owned(),
        subject: subject.to_owned(),
        service: Some(service.to_owned()),
        severity: Level::Critical,
        state: AlertState::Firing,
        summary: String::new(),
        runbook_url: String::new(),
        since: instants_at(0).wall,
        fired_at: None,
        resolved_at: None,
        silence: None,
    }
}

#[test]
fn silence_matches_its_alert_and_its_service_until_it_ends() {
    let (missing, commits) =
        (alert("ServiceMissing", "db-proxy", "db-proxy"), alert("CommitsFail", "database", "db-proxy"));
    let matches = |new: NewSilence, secs| {
        let mut silences = Silences::default();
        silences.add(new, &subjects(), instants_at(0).wall).unwrap();
        silences.remove_ended(instants_at(secs).wall);
        [&missing, &commits].map(|alert| silences.matching_silence(alert).is_some())
    };
    assert_eq!(matches(silence(None, Some("db-proxy"), 60), 59), [true, true]);
    assert_eq!(matches(silence(None, Some("db-proxy"), 60), 60), [false, false]);
    assert_eq!(matches(silence(None, Some("database"), 60), 0), [false, true]);
    assert_eq!(matches(silence(Some("ServiceMissing"), None, 60), 0), [true, false]);
    assert_eq!(matches(silence(Some("ServiceMissing"), Some("rates"), 60), 0), [false, false]);
}

#[test]
fn invalid_silence_is_refused_with_every_invalid_field() {
    let fields = |new: NewSilence| {
        let error = Silences::default().add(new, &subjects(), instants_at(0).wall).unwrap_err();
        error.fields().join(" ")
    };
    assert_eq!(fields(silence(None, None, 60)), "alert");
    let invalid_texts =
        NewSilence { created_by: " ".to_owned(), reason: "x".repeat(257), ..silence(None, Some("a b"), 0) };
    assert_eq!(fields(invalid_texts), "service for_secs created_by reason");
    assert_eq!(fields(silence(Some("NoSuchAlert"), None, MAX_SILENCE.as_secs() + 1)), "alert for_secs");
}

#[test]
fn misspelt_service_is_refused_with_the_names_that_alerts_can_be_about() {
    let error = Silences::default().add(silence(None, Some("db-prxy"), 60), &subjects(), instants_at(0).wall);
    let Err(Error::Invalid(errors)) = error else { panic!("{error:?}") };
    assert_eq!(errors[0].field, "service");
    let expected = "must be one of a, b, database, db-proxy, rates, but is \"db-prxy\" (did you mean db-proxy?)";
    assert_eq!(errors[0].message, expected);
}

#[test]
fn removed_silence_is_not_listed_and_cannot_be_removed_again() {
    let mut silences = Silences::default();
    let ends_last = silences.add(silence(None, Some("a"), 200), &subjects(), instants_at(0).wall).unwrap();
    let ends_first = silences.add(silence(None, Some("b"), 100), &subjects(), instants_at(0).wall).unwrap();
    assert_eq!(silences.list(), [ends_first.clone(), ends_last.clone()]);
    assert_eq!(silences.remove(&ends_first.id), Ok(()));
    assert_eq!(silences.remove(&ends_first.id), Err(Error::UnknownSilence(ends_first.id.clone())));
    assert_eq!(silences.list(), [ends_last]);
}

#[test]
fn number_of_silences_is_limited() {
    let mut silences = Silences::default();
    for _ in 0..MAX_SILENCES {
        silences.add(silence(None, Some("a"), 60), &subjects(), instants_at(0).wall).unwrap();
    }
    assert!(silences.add(silence(None, Some("a"), 60), &subjects(), instants_at(59).wall).is_err());
    // Silences that have ended do not count.
    assert!(silences.add(silence(None, Some("a"), 60), &subjects(), instants_at(60).wall).is_ok());
}
