use std::{collections::BTreeSet, path::Path};

use super::*;

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
    assert_eq!(seen.len(), BUILT_IN.len());
}

#[test]
fn what_is_too_short_for_an_answer_is_passed_over() {
    for input in ["", "a", "a0", "z9", "\u{0}\u{ff}\n"] {
        http(input.as_bytes());
    }
}
