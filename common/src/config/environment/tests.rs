use std::os::unix::ffi::OsStringExt as _;

use super::*;
use crate::config::Env;

fn env(variables: &[(&[u8], &[u8])]) -> Env {
    let variables = variables.iter().map(|(name, value)| [name, value].map(|bytes| OsString::from_vec(bytes.to_vec())));
    Env::default().with_environment(variables.map(|[name, value]| (name, value)))
}

#[test]
fn setting_that_is_not_utf8_is_an_error_that_shows_the_bytes() {
    let mut env =
        env(&[(b"DATABASE_URL", b"sqlite:\xff.db"), (b"RATE_LIMIT_PER_MINUTE", b"5\xe9"), (b"BTC_LIMIT", b"5")]);
    assert!(env.is_set_by_environment("DATABASE_URL"));
    // A default does not replace the invalid value.
    env.set_default("DATABASE_URL", "sqlite:other.db");
    assert_eq!(env.text("DATABASE_URL"), None);
    assert_eq!(env.whole_number("RATE_LIMIT_PER_MINUTE", 60, 1..=1000), 60);
    assert_eq!(env.text("BTC_LIMIT"), Some("5"));
    let lines = [
        "some settings are invalid:",
        r#"  DATABASE_URL="sqlite:\xff.db" is not allowed; it must be text in UTF-8"#,
        r#"  RATE_LIMIT_PER_MINUTE="5\xe9" is not allowed; it must be text in UTF-8"#,
    ];
    assert_eq!(env.finish().unwrap_err().to_string().lines().collect::<Vec<_>>(), lines);
}

#[test]
fn secret_that_is_not_utf8_is_not_shown() {
    let secrets = ["INTERNAL_TOKEN", "BUYDESK_API_KEY", "SERVER_KEY", "SENTRY_DSN", "OTEL_EXPORTER_OTLP_HEADERS"];
    for name in secrets.into_iter().chain(["ALERT_WEBHOOK_URL", "ALERTMANAGER_URL"]) {
        let mut env = env(&[(name.as_bytes(), b"horse\xff")]);
        assert_eq!(env.text(name), None);
        let error = env.finish().unwrap_err().to_string();
        assert!(error.ends_with(&format!("{name}=\"***\" is not allowed; it must be text in UTF-8")), "{error}");
    }
    for address in [&b"postgres://user:horse\xff@db/buydesk"[..], b"postgres://db/buydesk?password=horse\xff"] {
        let mut env = env(&[(b"DATABASE_URL", address)]);
        assert_eq!(env.text("DATABASE_URL"), None);
        let error = env.finish().unwrap_err().to_string();
        assert!(error.contains("DATABASE_URL=\"***\"") && !error.contains("horse"), "{error}");
    }
}

#[test]
fn unrelated_variable_that_is_not_utf8_is_ignored() {
    let mut env = env(&[(b"GREETING", b"gr\xfc\xdf"), (b"BTC_LIMIT\xff", b"1"), (b"BTC_LIMIT", b"5")]);
    assert_eq!(env.text("BTC_LIMIT"), Some("5"));
    assert!(env.finish().is_ok());
    // A value that the program sets takes precedence over an invalid environment variable.
    let mut env = env_with_program_value();
    assert_eq!(env.text("DB_PROXY_URL"), Some("http://127.0.0.1:1"));
    assert!(env.finish().is_ok());
}

fn env_with_program_value() -> Env {
    let mut env = env(&[(b"DB_PROXY_URL", b"\xff")]);
    env.set("DB_PROXY_URL", "http://127.0.0.1:1");
    env
}
