use std::{collections::BTreeSet, path::Path};

use super::{http, websocket::hear};
use crate::{sources::SOURCES, streams::PROTOCOLS};

#[test]
fn every_seed_is_read_without_harm_and_every_source_has_one_that_it_accepts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/http");
    let mut seen = BTreeSet::new();
    for seed in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(seed.unwrap().path()).unwrap();
        http(&input);
        if input.starts_with(&[input[0], b'0']) {
            seen.insert(input[0]);
        }
    }
    assert_eq!(seen.len(), SOURCES.len());
}

#[test]
fn what_is_too_short_for_an_answer_is_passed_over() {
    for input in ["", "a", "a0", "z9", "\u{0}\u{ff}\n"] {
        http(input.as_bytes());
    }
}

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
