use super::*;

fn read(json: &str) -> Result<usize, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, json).unwrap();
    let path = file.path().to_str().unwrap();
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests"), ("SIM_TIMELINE", path)]);
    let config = Config::from_env(&mut env);
    env.finish().map(|()| config.timeline.len()).map_err(|error| error.to_string())
}

#[test]
fn timeline_file_is_a_list_or_an_object() {
    let fault = r#"{"exchange":"kraken","at_seconds":5,"seconds":10,"fault":"lie_factor","factor":"1.2"}"#;
    assert_eq!(read(&format!("[{fault},{fault}]")), Ok(2));
    assert_eq!(read(&format!(r#"{{"timeline":[{fault}]}}"#)), Ok(1));
}

#[test]
fn error_in_the_timeline_file_is_reported() {
    for (json, expected) in [
        ("", "JSON"),
        ("7", "an object with the lists timeline and market"),
        (r#"[{"exchange":"kraken","fault":"down"}]"#, "timeline[0].at_seconds: is required"),
        (r#"[{"exchange":"mtgox","at_seconds":1,"fault":"down"}]"#, "timeline[0].exchange: must be one of"),
        (r#"[{"exchange":"kraken","at_seconds":1,"fault":"no_such_kind"}]"#, "no_such_kind"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.contains("SIM_TIMELINE") && error.contains(expected), "{error}");
    }
}

#[test]
fn missing_timeline_file_is_named_in_the_error() {
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests"), ("SIM_TIMELINE", "/no/such/file")]);
    Config::from_env(&mut env);
    let error = env.finish().unwrap_err().to_string();
    for part in [r#"SIM_TIMELINE="/no/such/file""#, "the folder /no/such does not exist; create it"] {
        assert!(error.contains(part) && !error.contains("os error"), "{error}");
    }
}
