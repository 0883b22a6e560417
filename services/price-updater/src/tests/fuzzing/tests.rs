use std::{collections::BTreeSet, path::Path};

use super::{http, websocket::apply_messages};
use crate::{sources::SOURCES, streams::PROTOCOLS};

#[test]
fn http_corpus_passes_and_has_a_response_with_status_200_of_every_source() {
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
fn incomplete_http_input_is_ignored() {
    for input in ["", "a", "a0", "z9", "\u{0}\u{ff}\n"] {
        http(input.as_bytes());
    }
}

#[test]
fn websocket_corpus_passes_and_has_a_ticker_of_every_exchange() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/websocket");
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap());
    let exchanges: BTreeSet<_> = seeds.filter(|seed| apply_messages(seed)).map(|seed| seed[0]).collect();
    assert_eq!(exchanges.len(), PROTOCOLS.len());
}

#[test]
fn invalid_messages_result_in_no_ticker() {
    for input in ["", "\n", "a", "a\n", "d\n0pong\n~pong", "z\n9{}\n\u{ff}"] {
        assert!(!apply_messages(input.as_bytes()), "{input}");
    }
}
