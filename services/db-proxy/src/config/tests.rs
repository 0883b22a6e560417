use common::config::SettingsFile;

use super::*;

fn caps_of(pairs: &[(&'static str, &'static str)]) -> Result<[i64; 3], String> {
    let mut env = Env::from_pairs(pairs.iter().copied().chain([("INTERNAL_TOKEN", "0123456789abcdef")]));
    let OrderSettings { limit, quote_caps, .. } = Config::from_env(&mut env).orders;
    let quote_caps = quote_caps.get();
    let caps = [quote_caps.of_quote(limit), quote_caps.of_client(limit), quote_caps.of_all_quotes(limit)];
    env.finish().map(|()| caps.map(Sats::get)).map_err(|error| error.to_string())
}

#[test]
fn caps_of_quotes_are_shares_of_the_limit_by_default() {
    const BITCOIN: i64 = 100_000_000;
    assert_eq!(caps_of(&[]), Ok([10 * BITCOIN, 10 * BITCOIN, 50 * BITCOIN]));
    assert_eq!(caps_of(&[("BTC_LIMIT", "2")]), Ok([BITCOIN / 5, BITCOIN / 5, BITCOIN]));
    // With a low limit, ordinary quotes are still possible.
    assert_eq!(caps_of(&[("BTC_LIMIT", "0.001")]), Ok([BITCOIN / 100; 3]));
    let set = [("QUOTE_MAX_BTC", "1"), ("QUOTE_MAX_BTC_PER_CLIENT", "2"), ("QUOTE_MAX_BTC_TOTAL", "0")];
    assert_eq!(caps_of(&set), Ok([BITCOIN, 2 * BITCOIN, 0]));
    for name in ["QUOTE_MAX_BTC", "QUOTE_MAX_BTC_PER_CLIENT", "QUOTE_MAX_BTC_TOTAL"] {
        assert!(caps_of(&[(name, "-1")]).unwrap_err().contains(name));
    }
}

#[test]
fn simulated_orders_never_go_to_the_default_file_of_real_orders() {
    let folder = tempfile::tempdir().unwrap();
    let file = SettingsFile::with_path(folder.path().join(".env"));
    let replaced = |url: &str| {
        std::fs::write(file.path(), format!("DATABASE_URL={url}\nSIMULATED=true\n")).unwrap();
        let mut env = Env::from_file(&file).unwrap();
        let replaced = keep_from_real_database(&mut env).is_some();
        env.finish().unwrap();
        (replaced, database_url(&mut env).expose().to_owned())
    };
    // The user has chosen the database for this process, so it is refused and not replaced.
    let refused = |url: &str| {
        let mut env = Env::from_pairs([("DATABASE_URL", url), ("SIMULATED", "true")]);
        assert_eq!(keep_from_real_database(&mut env), None);
        env.finish().err().map(|error| error.to_string())
    };
    let absolute = format!("sqlite:{}", std::path::absolute("database/data/buydesk.db").unwrap().display());
    for url in [DEFAULT_DATABASE, "sqlite://database/data/buydesk.db", "sqlite:./database/data/buydesk.db", &absolute] {
        assert_eq!(replaced(url), (true, DEFAULT_SIMULATED_DATABASE.to_owned()), "{url}");
        let error = refused(url).unwrap();
        assert!(error.contains("DATABASE_URL=") && error.contains(DEFAULT_SIMULATED_DATABASE), "{error}");
    }
    for url in ["sqlite:database/data/other.db", "postgres://u@localhost/database/data/buydesk.db", "sqlite:buydesk.db"]
    {
        assert_eq!(replaced(url), (false, url.to_owned()), "{url}");
        assert_eq!(refused(url), None, "{url}");
    }
    assert_eq!(keep_from_real_database(&mut Env::default()), None);
}
