use super::*;

#[test]
fn complete_urls_are_allowed() {
    for url in [
        "sqlite:database/data/buydesk.db",
        "sqlite:///var/lib/buydesk.db",
        "sqlite:buydesk.db",
        "postgres://buydesk:secret@127.0.0.1:5432/buydesk",
        "postgresql://buydesk@db/buydesk",
        "postgres://buydesk:p%40ss%2Fword@[::1]/buydesk?sslmode=require",
        "postgres:///buydesk?host=/var/run/postgresql",
        "postgres://u:p@one:6001,two,[::1]:6003/buydesk?target_session_attrs=read-write",
    ] {
        assert_eq!(check_url(url), Ok(()), "{url}");
    }
}

#[test]
fn invalid_url_is_refused_with_its_reason() {
    for (url, reason) in [
        ("sqlite:", "path"),
        ("sqlite://", "path"),
        ("sqlite::memory:", "must be in a file"),
        ("sqlite:buydesk.db?mode=rwc", "options"),
        ("sqlite:data/", "folder"),
        ("sqlite:/", "folder"),
        ("postgres://", "host"),
        ("postgres:///buydesk", "host"),
        ("postgres://db", "name of the database"),
        ("postgres://db/", "name of the database"),
        ("postgres://db/a/b", "slash"),
        ("postgres://db:0/buydesk", "the port must be from 1 to 65535, but is \"0\";"),
        ("postgres://u:horse@db:70000/buydesk", "the port must be from 1 to 65535, but is \"70000\";"),
        ("postgres://u@[::1]:70000?dbname=buydesk", "the port must be from 1 to 65535, but is \"70000\";"),
        // The number may be a password.
        ("postgres://ada:70000", "the port must be from 1 to 65535;"),
        ("postgres://u:70000/horse@db/buydesk", "cannot be parsed"),
        ("postgres://u:pass@h:70000/horse@db/buydesk", "cannot be parsed"),
        ("postgres://u:pass#word@db/buydesk", "cannot be parsed"),
        ("postgres://db/buydesk#x", "%23"),
        ("postgres://u:%ff@db/buydesk", "not text in UTF-8"),
        ("postgres:db", "host"),
        ("postgres://one,/buydesk", "host"),
        ("postgres://one,,two/buydesk", "host"),
        ("postgres://u@one:port,two/buydesk", "the port must be from 1 to 65535, but is \"port\";"),
        ("mysql://db/buydesk", "another form"),
        ("buydesk.db", "another form"),
        ("", "another form"),
    ] {
        let error = check_url(url).unwrap_err();
        assert!(error.contains(reason) && error.contains("sqlite:PATH"), "{url}: {error}");
    }
}

#[test]
fn unknown_parameter_is_refused() {
    let error = |query: &str| check_url(&format!("postgres://u@one,two/buydesk?{query}")).unwrap_err();
    assert_eq!(error("sslmod=require"), "the parameter sslmod is unknown; did you mean sslmode?");
    assert_eq!(error("sslmode=require&foo=1"), "the parameter foo is unknown; remove it");
}

#[test]
fn invalid_value_of_a_parameter_is_named_with_the_allowed_values() {
    for (query, expected) in [
        (
            "sslmode=foo",
            "the parameter sslmode must be disable, allow, prefer, require, verify-ca or verify-full, but is \"foo\"",
        ),
        ("port=70000", "the parameter port must be from 1 to 65535, but is \"70000\""),
        ("hostaddr=one", "the parameter hostaddr must be an IP address, but is \"one\""),
        ("statement-cache-capacity=-1", "the parameter statement-cache-capacity must be a whole number, but is \"-1\""),
    ] {
        assert_eq!(check_url(&format!("postgres://u@one,two/buydesk?{query}")).unwrap_err(), expected);
    }
}

#[test]
fn each_host_has_its_port_and_the_same_user_and_database() {
    let url = "postgres://ada:p%40ss@one:6001,two,[::1]:6003/buydesk?sslmode=disable";
    let hosts: Vec<PgConnectOptions> = host_urls(url).iter().map(|url| connect_options(url).unwrap()).collect();
    let names: Vec<_> = hosts.iter().map(|host| (host.get_host(), host.get_port())).collect();
    assert_eq!(names, [("one", 6001), ("two", 5432), ("::1", 6003)]);
    for host in &hosts {
        assert_eq!((host.get_username(), host.get_database()), ("ada", Some("buydesk")));
    }
    assert_eq!(host_urls("postgres://u:p@one:6001/db"), ["postgres://u:p@one:6001/db"]);
    assert_eq!(host_urls("postgres:///db?host=/run/postgresql"), ["postgres:///db?host=/run/postgresql"]);
}

#[test]
fn host_selection_parameter_of_libpq_is_removed() {
    assert_eq!(without_selection("/db?target_session_attrs=read-write"), "/db");
    assert_eq!(without_selection("/db?a=1&target_session_attrs=primary&b=2"), "/db?a=1&b=2");
}

#[test]
fn url_is_shown_without_values_that_may_be_secret() {
    for (url, shown) in [
        ("sqlite:x.db?mode=ro", "sqlite:x.db?mode=ro"),
        ("sqlite:x.db?key=horse&cache=shared", "sqlite:x.db?***&cache=shared"),
        ("postgres://u:horse@h/db?sslmode=require", "postgres://u:***@h/db?sslmode=require"),
        ("postgres://h/db?user=u&password=horse&pass%77ord=horse", "postgres://h/db?user=u&***&***"),
        ("postgres://h/db?options=-c%20x%3Dhorse", "postgres://h/db?***"),
        // These passwords are 1?horse and 1#horse, but a URL ends at these characters.
        ("postgres://u:1?horse@h/db", "postgres://u:1?***"),
        ("postgres://u:1#horse@h/db", "postgres://u:1#***"),
        ("postgres://u:horse?x@h/db", "(an invalid address)"),
    ] {
        assert_eq!(shown_url(url), shown);
    }
}
