use super::*;
use crate::sources::SOURCES;

fn kraken(kraken: &str, ws: &str) -> Result<Option<String>, String> {
    let mut env = Env::from_pairs([("KRAKEN_WS_URL", ws)]);
    let source = SOURCES.iter().find(|source| source.name == "kraken").unwrap();
    let feeds = read(&mut env, &[(source, kraken.parse().unwrap())]);
    env.finish().map_err(|error| error.to_string())?;
    Ok(feeds.get("kraken").map(ToString::to_string))
}

#[test]
fn a_source_that_was_moved_has_no_feed_unless_one_is_named() {
    const OWN: &str = "https://api.kraken.com";
    const MOVED: &str = "http://127.0.0.1:8090/kraken";
    assert_eq!(kraken(OWN, ""), Ok(Some("wss://ws.kraken.com/".to_owned())));
    assert_eq!(kraken(OWN, "OFF"), Ok(None));
    assert_eq!(kraken(MOVED, ""), Ok(None));
    let moved = "ws://127.0.0.1:8090/kraken/ws";
    assert_eq!(kraken(MOVED, moved), Ok(Some(moved.to_owned())));
    for wrong in ["https://api.kraken.com", "ws:", "on"] {
        assert!(kraken(OWN, wrong).unwrap_err().contains("KRAKEN_WS_URL"), "{wrong}");
    }
}
