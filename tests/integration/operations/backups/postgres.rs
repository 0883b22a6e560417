//! Backups of a PostgreSQL server, the archive of its write-ahead log, and recovery to a point in time.

use std::fs;

use common::time::Timestamp;
use serde_json::json;
use tests::{
    Stack,
    backups::{
        CLIENTS, Clients, Site, archive_log, database_time, deposit, document_of, error_of, orders_of, start_platform,
    },
    database_rows::DatabaseRows,
    servers::{PrivateServer, query_text},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_is_restored_to_a_point_in_time_and_to_its_last_transaction() {
    let site = Site::new(Stack::Servers);
    let mut server = site.start_server().await;
    let url = server.url();
    let platform = start_platform(&url).await;
    deposit(&platform, site.folder());
    let clients = Clients::start(&platform);
    clients.wait_for(30).await;
    let before = clients.placed();
    let backup = document_of(&site.buydesk(&url, &["backup"]));
    assert!((before..=clients.placed() + CLIENTS as u64).contains(&orders_of(&backup)), "{backup}");
    clients.wait_for(clients.placed() + 10).await;
    let placed = clients.stop().await;
    let at_time = DatabaseRows::read(&url).await;
    assert_eq!(at_time.count("orders"), placed);
    let time = database_time(&url).await;

    let clients = Clients::start(&platform);
    clients.wait_for(10).await;
    let later = clients.stop().await;
    platform.kill().await;
    let at_end = DatabaseRows::read(&url).await;
    assert_eq!(at_end.count("orders"), placed + later);
    archive_log(&url).await;
    server.stop().await;
    drop(server);

    let file = backup["file"].as_str().unwrap();
    let restored = document_of(&site.restore(file, "at-time", &["--to-time", &time]));
    assert_eq!(orders_of(&restored), placed);
    let restored_time: Timestamp = restored["recovered_to_time"].as_str().unwrap().parse().unwrap();
    assert_eq!(restored_time, time.parse().unwrap());
    let journal =
        json!({ "checked": { "wallets": 1, "entries": 1, "movements": 1, "paid_orders": 0 }, "violations": [] });
    assert_eq!(restored["journal"], journal);
    let differences = at_time.differences(&site.rows_of("at-time").await);
    assert_eq!(differences.unequal(), [""; 0]);

    let restored = document_of(&site.restore(file, "latest", &[]));
    assert_eq!(orders_of(&restored), placed + later);
    assert_eq!(at_end.differences(&site.rows_of("latest").await).unequal(), [""; 0]);
    // The product continues on the restored server.
    let server = PrivateServer::postgres_in(&site.path("latest")).await;
    let platform = start_platform(&server.url()).await;
    let clients = Clients::start(&platform);
    clients.wait_for(5).await;
    let continued = clients.stop().await;
    platform.kill().await;
    let rows = DatabaseRows::read(&server.url()).await;
    assert_eq!(rows.count("orders"), placed + later + continued);
    assert_eq!(rows.differences(&at_end).not_earlier(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_backups_and_restores_leave_no_files() {
    let site = Site::new(Stack::Servers);
    let server = site.start_server().await;
    let url = server.url();
    document_of(&site.buydesk(&url, &["seed", "orders", "--count", "100", "--yes"]));
    let backup = document_of(&site.buydesk(&url, &["backup"]));
    let file = backup["file"].as_str().unwrap();
    document_of(&site.buydesk(&url, &["seed", "orders", "--count", "50", "--yes"]));
    let archived = archive_log(&url).await;
    let folders = site.folders();

    let restored = document_of(&site.restore(file, "backup-alone", &["--no-wal"]));
    assert_eq!((orders_of(&restored), &restored["contents"]), (100, &backup["contents"]));
    let existing = error_of(&site.restore(file, "backup-alone", &[]));
    assert!(
        existing.contains("the folder backup-alone is not empty, and a data folder is never overwritten"),
        "{existing}"
    );
    fs::remove_dir_all(site.path("backup-alone")).unwrap();

    let early = error_of(&site.restore(file, "new", &["--to-time", "2026-01-02T03:04:05Z"]));
    assert!(early.contains("--to-time must be later than the backup, so use an earlier backup"), "{early}");
    let late = error_of(&site.restore(file, "new", &["--to-time", "2100-01-02T03:04:05Z"]));
    assert!(late.starts_with("new was not restored: the archive "), "{late}");
    assert!(late.ends_with(" has no transaction after 2100-01-02T03:04:05.000000Z, the time of --to-time."), "{late}");
    let no_archive = error_of(&site.restore(file, "new", &["--wal-from", "no-such-folder"]));
    assert!(no_archive.contains("the archive of the write-ahead log no-such-folder does not exist"), "{no_archive}");
    let no_target = site.buydesk("", &["restore", file]);
    assert_eq!(no_target.status.code(), Some(2), "{no_target:?}");

    // The recovery must not treat a damaged file as the end of the archive.
    let segment = site.path(&format!("backups/wal/{archived}.encrypted"));
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let damaged = error_of(&site.restore(file, "new", &[]));
    assert!(damaged.starts_with("new was not restored: the backup file "), "{damaged}");
    assert!(damaged.contains(&format!("{archived}.encrypted cannot be used: it is damaged")), "{damaged}");

    let unknown_role = url.replace("postgres@", "nobody@");
    let refused = error_of(&site.buydesk(&unknown_role, &["backup"]));
    assert!(refused.starts_with("No primary accepts a connection") && refused.contains("nobody"), "{refused}");
    assert!(!refused.contains("error returned from database"), "{refused}");
    query_text(&url, "create role reader login in role pg_read_all_data").await;
    let refused = error_of(&site.buydesk(&url.replace("postgres@", "reader@"), &["backup"]));
    assert_eq!(refused, "The role reader may not make a backup: it needs the attribute REPLICATION.");
    query_text(&url, "create role writer login replication").await;
    let refused = error_of(&site.buydesk(&url.replace("postgres@", "writer@"), &["backup"]));
    assert!(refused.starts_with("The role writer may not read the tables of postgres://writer@"), "{refused}");
    assert_eq!(site.folders(), folders);
    let backups = fs::read_dir(site.path("backups")).unwrap().map(|entry| entry.unwrap().path());
    let backups: Vec<_> = backups.filter(|path| path.is_file()).collect();
    assert_eq!(backups, [site.folder().join(file)]);
}
