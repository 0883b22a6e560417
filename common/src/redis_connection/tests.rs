use super::*;

#[test]
fn invalid_url_is_reported_without_its_password() {
    for url in [
        "http://u:secret@cache",
        "cache:6379",
        "redis://u:secret@cache/x",
        "rediss://u:secret@cache",
        "redis+sentinel://u:secret@one,two",
    ] {
        let mut env = Env::from_pairs([("CACHE_URL", url)]);
        assert!(RedisConfig::from_env(&mut env, "CACHE_URL", "to do without").is_none());
        let message = env.finish().unwrap_err().to_string();
        assert!(message.contains("CACHE_URL") && message.ends_with("or empty to do without"), "{url}: {message}");
        assert!(!message.contains("secret"), "{url}: {message}");
    }
}

#[test]
fn keys_have_a_default_prefix() {
    let config = |pairs: &[(&str, &str)]| {
        let mut env = Env::from_pairs(pairs.iter().copied());
        let config = RedisConfig::from_env(&mut env, "CACHE_URL", "to do without");
        env.finish().map(|()| config.map(|config| config.key_prefix)).unwrap()
    };
    let url = ("CACHE_URL", "redis://cache");
    assert_eq!(config(&[url]).as_deref(), Some("buydesk:"));
    assert_eq!(config(&[url, ("REDIS_KEY_PREFIX", "two:")]).as_deref(), Some("two:"));
    assert_eq!(config(&[("CACHE_URL", " ")]), None);
}
