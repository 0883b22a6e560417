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
    ] {
        assert_eq!(check_url(url), Ok(()), "{url}");
    }
}

#[test]
fn incomplete_url_is_refused_with_its_reason() {
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
        ("postgres://db:0/buydesk", "port"),
        ("postgres://db:99999/buydesk", "cannot be parsed"),
        ("postgres://u:pass#word@db/buydesk", "cannot be parsed"),
        ("postgres://db/buydesk#x", "%23"),
        ("postgres://db/buydesk?sslmode=perhaps", "invalid value"),
        ("postgres:db", "host"),
        ("mysql://db/buydesk", "another form"),
        ("buydesk.db", "another form"),
        ("", "another form"),
    ] {
        let error = check_url(url).unwrap_err();
        assert!(error.contains(reason) && error.contains("sqlite:PATH"), "{url}: {error}");
    }
}
