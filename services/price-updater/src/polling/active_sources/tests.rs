use super::*;

const KNOWN: [(&str, CourseKind); 4] = [
    ("kraken", CourseKind::Trade),
    ("ecb", CourseKind::Fixing),
    ("coingecko", CourseKind::Index),
    ("cbr", CourseKind::Fixing),
];

fn switch(active_sources: &ActiveSources, names: &[&str]) -> Result<(), String> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    active_sources.switch(&names).map_err(|error| error.message)
}

#[test]
fn sources_are_switched_off_and_on_and_put_in_another_order() {
    let active_sources = ActiveSources::new(KNOWN.to_vec(), 2, 1);
    assert_eq!(active_sources.names(), ["kraken", "ecb"]);
    switch(&active_sources, &["cbr", "kraken"]).unwrap();
    assert_eq!((active_sources.names(), &*active_sources.order()), (vec!["cbr", "kraken"], &[3, 0][..]));
}

#[test]
fn a_list_that_makes_no_sense_changes_nothing() {
    let active_sources = ActiveSources::new(KNOWN.to_vec(), 2, 1);
    for names in [&[][..], &["mtgox"], &["kraken", "mtgox"], &["kraken", "kraken"], &["cbr"]] {
        assert!(switch(&active_sources, names).is_err(), "{names:?}");
    }
    assert_eq!(active_sources.names(), ["kraken", "ecb"]);
}

#[test]
fn so_many_as_have_to_agree_always_vote() {
    let active_sources = ActiveSources::new(KNOWN.to_vec(), 4, 2);
    let why = switch(&active_sources, &["kraken", "ecb", "cbr"]).unwrap_err();
    assert!(why.contains("at least 2") && why.ends_with("has 1"), "{why}");
    switch(&active_sources, &["coingecko", "ecb", "kraken"]).unwrap();
}
