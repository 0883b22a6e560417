use std::{collections::BTreeSet, path::Path};

use super::*;

#[test]
fn every_seed_is_heard_without_harm_and_every_exchange_has_one_that_tells_a_price() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/websocket");
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap());
    let told: BTreeSet<_> = seeds.filter(|seed| hear(seed)).map(|seed| seed[0]).collect();
    assert_eq!(told.len(), PROTOCOLS.len());
}

#[test]
fn what_is_no_text_of_an_exchange_tells_nothing() {
    for input in ["", "\n", "a", "a\n", "d\n0pong\n~pong", "z\n9{}\n\u{ff}"] {
        assert!(!hear(input.as_bytes()), "{input}");
    }
}
