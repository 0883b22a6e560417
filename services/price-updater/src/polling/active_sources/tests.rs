use super::*;

const ALL: [(&str, CourseKind); 4] = [
    ("kraken", CourseKind::Trade),
    ("ecb", CourseKind::Fixing),
    ("coingecko", CourseKind::Index),
    ("cbr", CourseKind::Fixing),
];

fn select(sources: &ActiveSources, names: &[&str]) -> Result<(), String> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let shown = |error: &FieldError| format!("{}: {}", error.field, error.message);
    sources.select(&names).map_err(|errors| errors.iter().map(shown).collect::<Vec<_>>().join("; "))
}

#[test]
fn selection_sets_active_sources_and_their_order() {
    let sources = ActiveSources::new(ALL.to_vec(), 2, 1);
    assert_eq!(sources.names(), ["kraken", "ecb"]);
    select(&sources, &["cbr", "kraken"]).unwrap();
    assert_eq!((sources.names(), &*sources.order()), (vec!["cbr", "kraken"], &[3, 0][..]));
}

#[test]
fn invalid_selection_changes_nothing() {
    let sources = ActiveSources::new(ALL.to_vec(), 2, 1);
    for names in [&[][..], &["mtgox"], &["kraken", "mtgox"], &["kraken", "kraken"], &["cbr"]] {
        assert!(select(&sources, names).is_err(), "{names:?}");
    }
    assert_eq!(sources.names(), ["kraken", "ecb"]);
}

#[test]
fn every_wrong_name_is_listed_with_the_name_that_is_probably_meant() {
    let sources = ActiveSources::new(ALL.to_vec(), 2, 1);
    let expected = "sources[1]: must be one of kraken, ecb, coingecko, cbr, but is \"krakn\" (did you mean kraken?); \
                    sources[2]: must not be kraken again; each source is named once; \
                    sources[3]: must be one of kraken, ecb, coingecko, cbr, but is \"\"";
    assert_eq!(select(&sources, &["kraken", "krakn", "kraken", ""]), Err(expected.to_owned()));
}

#[test]
fn number_of_errors_is_limited() {
    let sources = ActiveSources::new(ALL.to_vec(), 2, 1);
    let names = vec!["kraken".to_owned(); 10 * MAX_FIELD_ERRORS];
    assert_eq!(sources.select(&names).unwrap_err().len(), MAX_FIELD_ERRORS);
}

#[test]
fn selection_with_too_few_voters_is_rejected() {
    let sources = ActiveSources::new(ALL.to_vec(), 4, 2);
    let message = select(&sources, &["kraken", "ecb", "cbr"]).unwrap_err();
    assert!(message.contains("at least 2") && message.ends_with("has 1"), "{message}");
    select(&sources, &["coingecko", "ecb", "kraken"]).unwrap();
}
