use common::redis_connection::RedisConfig;

use super::*;

const TOKEN: (&str, &str) = ("INTERNAL_TOKEN", "0123456789abcdef");

#[test]
fn store_is_in_memory_unless_redis_is_configured() {
    for url in ["", "  "] {
        let mut env = Env::from_pairs([TOKEN, ("REDIS_URL", url)]);
        assert!(matches!(Config::from_env(&mut env).store, StoreConfig::Memory));
        assert!(env.finish().is_ok());
    }
    let mut env = Env::from_pairs([TOKEN, ("REDIS_URL", "redis://:secret@cache:6380/2")]);
    let config = Config::from_env(&mut env);
    assert!(env.finish().is_ok());
    assert!(!format!("{config:?}").contains("secret"));
    assert!(matches!(config.store, StoreConfig::Redis(RedisConfig { key_prefix, .. }) if key_prefix == "buydesk:"));
}

#[test]
fn invalid_redis_url_is_reported_without_its_password() {
    for url in ["http://u:secret@cache", "redis+sentinel://u:secret@one,two"] {
        let mut env = Env::from_pairs([TOKEN, ("REDIS_URL", url)]);
        Config::from_env(&mut env);
        let message = env.finish().unwrap_err().to_string();
        assert!(message.contains("REDIS_URL") && !message.contains("secret"), "{url}: {message}");
    }
}
