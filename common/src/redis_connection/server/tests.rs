use super::*;

#[derive(Debug, PartialEq)]
struct Parsed {
    sentinels: Vec<String>,
    master: String,
    user: Option<String>,
    password: Option<String>,
    database: i64,
}

fn parse(url: &str) -> Parsed {
    let server = RedisServer::parse(url).unwrap();
    let database = server.database();
    let RedisServer::Sentinel { sentinels, master, settings } = server else { panic!("{url} is not a Sentinel URL") };
    Parsed {
        sentinels: sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect(),
        master,
        user: settings.username().map(str::to_owned),
        password: settings.password().map(str::to_owned),
        database,
    }
}

#[test]
fn sentinel_url_sets_the_ports_of_the_sentinels_and_the_user_of_the_master() {
    let expected = Parsed {
        sentinels: ["one:26379", "two:5001", "three:26379"].map(str::to_owned).into(),
        master: "prices".to_owned(),
        user: Some("ada".to_owned()),
        password: Some("p@ss".to_owned()),
        database: 2,
    };
    assert_eq!(parse("redis+sentinel://ada:p%40ss@one,two:5001,three/prices/2?sentinel_password=other"), expected);
    let parsed = parse("redis+sentinel://one/prices");
    assert_eq!((parsed.user, parsed.password, parsed.database), (None, None, 0));
}

#[test]
fn sentinel_password_is_used_for_sentinels_only() {
    let url = "redis+sentinel://one,two/prices?sentinel_password=s%40cret";
    let Ok(RedisServer::Sentinel { sentinels, settings, .. }) = RedisServer::parse(url) else { panic!("{url}") };
    assert!(sentinels.iter().all(|sentinel| sentinel.redis_settings().password() == Some("s@cret")));
    assert_eq!(settings.password(), None);
    assert!(!format!("{sentinels:?}").contains("s@cret"));
}

#[test]
fn single_server_url_sets_the_address_and_the_database() {
    let server = RedisServer::parse("redis://:secret@cache:6380/2").unwrap();
    assert_eq!(server.database(), 2);
    assert!(matches!(server, RedisServer::Single(server) if server.addr().to_string() == "cache:6380"));
}

#[test]
fn invalid_urls_are_refused() {
    for url in [
        "redis+sentinel://one",
        "redis+sentinel://one/",
        "redis+sentinel://one//0",
        "redis+sentinel://one,/prices",
        "redis+sentinel:///prices",
        "redis+sentinel://one/prices/x",
        "redis+sentinel://one:port/prices",
        "redis+sentinel://one/prices?password=p",
        "rediss://one",
        "one:6379",
    ] {
        assert!(RedisServer::parse(url).is_err(), "{url}");
    }
}

#[test]
fn address_is_shown_without_its_password() {
    for (url, shown) in [
        ("redis://cache", "redis://cache:6379"),
        ("redis://ada:secret@cache:6380/2", "redis://ada:***@cache:6380/2"),
        ("redis://:secret@cache", "redis://:***@cache:6379"),
        (
            "redis+sentinel://ada:secret@one,two:5001/prices/2?sentinel_password=secret",
            "redis+sentinel://ada:***@one:26379,two:5001/prices/2",
        ),
    ] {
        assert_eq!(RedisServer::parse(url).unwrap().to_string(), shown);
    }
}
