use super::*;
use crate::sources::SOURCES;

fn kraken_stream(kraken_url: &str, ws_url: &str) -> Result<Option<String>, String> {
    let mut env = Env::from_pairs([("KRAKEN_WS_URL", ws_url)]);
    let source = SOURCES.iter().find(|source| source.name == "kraken").unwrap();
    let urls = read_stream_urls(&mut env, &[(source, kraken_url.parse().unwrap())]);
    env.finish().map_err(|error| error.to_string())?;
    Ok(urls.get("kraken").map(ToString::to_string))
}

#[test]
fn source_with_another_http_url_has_no_stream_by_default() {
    const DEFAULT: &str = "https://api.kraken.com";
    const SIMULATED: &str = "http://127.0.0.1:8090/kraken";
    assert_eq!(kraken_stream(DEFAULT, ""), Ok(Some("wss://ws.kraken.com/".to_owned())));
    assert_eq!(kraken_stream(DEFAULT, "OFF"), Ok(None));
    assert_eq!(kraken_stream(SIMULATED, ""), Ok(None));
    let simulated = "ws://127.0.0.1:8090/kraken/ws";
    assert_eq!(kraken_stream(SIMULATED, simulated), Ok(Some(simulated.to_owned())));
    for invalid in ["https://api.kraken.com", "ws:", "on"] {
        assert!(kraken_stream(DEFAULT, invalid).unwrap_err().contains("KRAKEN_WS_URL"), "{invalid}");
    }
}
