use super::*;

#[test]
fn generated_keys_are_valid_and_differ() {
    let (one, other) = (KeySecret::generate(), KeySecret::generate());
    for key in [&one, &other] {
        assert_eq!(key.expose().len(), 62);
        assert_eq!(key.expose().parse::<KeySecret>().as_ref(), Ok(key));
        assert_eq!(key.prefix().as_str(), &key.expose()[..12]);
    }
    assert_ne!(one.prefix(), other.prefix());
    assert_ne!(one.hash(), other.hash());
}

#[test]
fn key_with_a_mistyped_character_is_refused() {
    let key = KeySecret::generate();
    for position in 0..key.expose().len() {
        let mut text: Vec<u8> = key.expose().into();
        text[position] = if text[position] == b'a' { b'b' } else { b'a' };
        let text = String::from_utf8(text).expect("ASCII");
        assert_eq!(text.parse::<KeySecret>(), Err(KeySecretError), "{text}");
    }
    for text in ["", "bdk_", &key.expose()[1..], &format!("{}a", key.expose()), &"ä".repeat(31)] {
        assert_eq!(text.parse::<KeySecret>(), Err(KeySecretError), "{text}");
    }
}

#[test]
fn debug_form_hides_keys_and_hashes() {
    let key = KeySecret::generate();
    assert_eq!(format!("{key:?} {:?}", key.hash()), "*** ***");
}

#[test]
fn hash_is_parsed_from_64_hexadecimal_digits_only() {
    let hash = KeySecret::generate().hash();
    assert_eq!(hash.to_string().parse(), Ok(hash));
    for text in
        ["", "+f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", &"0".repeat(63), &"ä".repeat(32)]
    {
        assert_eq!(text.parse::<KeyHash>(), Err(KeyHashError), "{text}");
    }
}

#[test]
fn scopes_are_a_sorted_set() {
    let scopes: Scopes = serde_json::from_str(r#"["read","orders","read"]"#).expect("scopes");
    assert_eq!(serde_json::to_string(&scopes).expect("JSON"), r#"["orders","read"]"#);
    assert!(scopes.contain(Scope::Read) && !scopes.contain(Scope::Wallets));
    assert_eq!(Scope::from_name("wallets"), Some(Scope::Wallets));
    assert_eq!(Scope::from_name("Wallets"), None);
}

#[test]
fn absent_rate_limit_of_a_change_differs_from_null() {
    for (json, change) in [
        ("{}", RateLimitChange::Unchanged),
        (r#"{"rate_limit_per_minute":null}"#, RateLimitChange::LimitOfService),
        (r#"{"rate_limit_per_minute":600}"#, RateLimitChange::PerMinute(600)),
    ] {
        let patch: KeyPatch = serde_json::from_str(json).expect("a patch");
        assert_eq!(patch.rate_limit_per_minute, change);
        let command = UpdateKeyCommand { name: None, rate_limit_per_minute: change };
        assert_eq!(serde_json::to_string(&patch).expect("JSON"), json);
        assert_eq!(serde_json::to_string(&command).expect("JSON"), json);
        assert_eq!(serde_json::from_str::<UpdateKeyCommand>(json).expect("a command"), command);
    }
    assert!(serde_json::from_str::<KeyPatch>(r#"{"scopes":["read"]}"#).is_err());
}

#[test]
fn refusal_of_a_rate_limit_states_the_permitted_range() {
    for value in ["-1", "1.5", "\"600\"", "true", "[5]", "{}", "4294967296"] {
        let json = format!("{{\"rate_limit_per_minute\":{value}}}");
        let of_change = serde_json::from_str::<KeyPatch>(&json).map(drop);
        let of_new_key = serde_json::from_str::<KeyPayload>(&json).map(drop);
        for refused in [of_change, of_new_key] {
            let error = refused.expect_err(&json).to_string();
            assert!(error.starts_with("must be a whole number from 1 to 1000000, or null"), "{json}: {error}");
        }
    }
    // For a body that is not JSON, the error is the syntax error.
    let error = serde_json::from_str::<KeyPayload>(r#"{"rate_limit_per_minute":}"#).expect_err("an error");
    assert!(error.is_syntax(), "{error}");
    for rate in [0, MAX_KEY_RATE + 1] {
        let error = RateLimitChange::PerMinute(rate).check_range().unwrap_err().to_string();
        assert!(error.ends_with(&format!(", but is {rate}")), "{error}");
    }
    for limit in [RateLimitChange::LimitOfService, RateLimitChange::PerMinute(1)] {
        assert_eq!(limit.check_range(), Ok(()));
    }
}
