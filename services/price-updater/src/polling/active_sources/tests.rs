use super::*;

const KNOWN: [(&str, CourseKind); 4] = [
    ("kraken", CourseKind::Trade),
    ("ecb", CourseKind::Fixing),
    ("coingecko", CourseKind::Index),
    ("cbr", CourseKind::Fixing),
];

fn switch(roster: &Roster, names: &[&str]) -> Result<(), String> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    roster.switch(&names).map_err(|error| error.message)
}

#[test]
fn sources_are_switched_off_and_on_and_put_in_another_order() {
    let roster = Roster::new(KNOWN.to_vec(), 2, 1);
    assert_eq!(roster.names(), ["kraken", "ecb"]);
    switch(&roster, &["cbr", "kraken"]).unwrap();
    assert_eq!((roster.names(), &*roster.order()), (vec!["cbr", "kraken"], &[3, 0][..]));
}

#[test]
fn a_list_that_makes_no_sense_changes_nothing() {
    let roster = Roster::new(KNOWN.to_vec(), 2, 1);
    for names in [&[][..], &["mtgox"], &["kraken", "mtgox"], &["kraken", "kraken"], &["cbr"]] {
        assert!(switch(&roster, names).is_err(), "{names:?}");
    }
    assert_eq!(roster.names(), ["kraken", "ecb"]);
}

#[test]
fn so_many_as_have_to_agree_always_vote() {
    let roster = Roster::new(KNOWN.to_vec(), 4, 2);
    let why = switch(&roster, &["kraken", "ecb", "cbr"]).unwrap_err();
    assert!(why.contains("at least 2") && why.ends_with("has 1"), "{why}");
    switch(&roster, &["coingecko", "ecb", "kraken"]).unwrap();
}
