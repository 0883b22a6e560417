use super::*;

const SERVERS: [&str; 4] = ["db-proxy", "price-cache-proxy", "price-updater", "health-check"];

fn internal_token() -> Secret {
    Secret::new("0123456789abcdef0123456789abcdef")
}

#[test]
fn token_is_valid_only_for_its_caller_and_its_server() {
    for server in SERVERS {
        let accepted = AcceptedCallers::of_internal_token(internal_token(), server);
        for caller in Caller::ALL {
            let token = ServerKey::derive(&internal_token(), server).token(caller);
            assert_eq!(accepted.caller(token.expose()), Some(caller));
            for other in SERVERS.into_iter().filter(|other| *other != server) {
                let accepted = AcceptedCallers::of_internal_token(internal_token(), other);
                assert_eq!(accepted.caller(token.expose()), None, "{caller:?} at {other}");
            }
            let (_, hash) = token.expose().split_once('.').unwrap();
            for other in Caller::ALL.into_iter().filter(|other| *other != caller) {
                assert_eq!(accepted.caller(&format!("{}.{hash}", other.as_str())), None, "{caller:?} as {other:?}");
            }
        }
    }
}

#[test]
fn server_with_only_its_key_accepts_derived_tokens_and_not_the_internal_token() {
    let key = ServerKey::new(ServerKey::derive(&internal_token(), "db-proxy").as_secret().clone());
    let accepted = AcceptedCallers::of_key(&key);
    let token = CallerToken::derive(internal_token(), Caller::RATES, "db-proxy");
    assert_eq!(accepted.caller(token.token().expose()), Some(Caller::RATES));
    for invalid in [internal_token().expose(), key.as_secret().expose(), "", ".", "rates.", "rates", "nobody.00"] {
        assert_eq!(accepted.caller(invalid), None, "{invalid}");
    }
    let other_key = ServerKey::derive(&Secret::new("fedcba9876543210fedcba9876543210"), "db-proxy");
    assert_eq!(accepted.caller(other_key.token(Caller::RATES).expose()), None);
}

#[test]
fn caller_with_the_internal_token_is_an_operator() {
    let accepted = AcceptedCallers::of_internal_token(internal_token(), "db-proxy");
    assert_eq!(accepted.caller(internal_token().expose()), Some(Caller::OPERATOR));
    assert_eq!(accepted.caller("0123456789abcdef0123456789abcdee"), None);
    // If the setting is missing, the internal token is empty. An empty internal token matches no token.
    let empty = AcceptedCallers::of_internal_token(Secret::new(""), "db-proxy");
    assert_eq!(empty.caller(""), None);
}

/// Tokens are stored in settings, so they must not change. The expected values were computed with OpenSSL:
/// `printf %s "buydesk server key: db-proxy" | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
#[test]
fn derivation_is_stable() {
    let key = ServerKey::derive(&internal_token(), "db-proxy");
    assert_eq!(key.as_secret().expose(), "b8605c90a58ead33b28c7ac26825d9f60760a0118a48252b605823864994e5a6");
    assert_eq!(
        key.token(Caller::CREATE_ORDER).expose(),
        "create-order.32d8f48f9147c550a3feff8262d0f066caba5cd5a8533e0c1be153e4f4c2c0ae"
    );
}

#[test]
fn tokens_are_not_printed() {
    let token = CallerToken::derive(internal_token(), Caller::RATES, "db-proxy");
    let accepted = AcceptedCallers::of_internal_token(internal_token(), "db-proxy");
    for text in [format!("{token:?}"), format!("{accepted:?}")] {
        assert!(!text.contains("0123") && !text.contains("rates."), "{text}");
    }
}
