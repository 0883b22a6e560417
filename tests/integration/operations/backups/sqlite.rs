//! Backups of an SQLite file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    backups::{CLIENTS, Clients, delete_database, deposit, document_of, error_of},
    buydesk_up::BuydeskUp,
    database_rows::DatabaseRows,
    environment::{binary_path, run_binary},
    small_disk::SmallDisk,
};

const DEMO_DATABASE: &str = "sqlite:database/data/demo.db";
const UNLIMITED: [(&str, &str); 1] = [("RATE_LIMIT_PER_MINUTE", "0")];

/// Runs `buydesk --json` in the folder, with the key file `backup.key` and this database.
fn buydesk_on(database: &str, folder: &Path, arguments: &[&str]) -> Output {
    let variables = [("DATABASE_URL", database), ("BACKUP_KEY_FILE", "backup.key"), ("BACKUP_DIR", "backups")];
    let arguments = [&["--json"], arguments].concat();
    run_binary("buydesk", &arguments, variables, folder)
}

fn buydesk(folder: &Path, arguments: &[&str]) -> Output {
    buydesk_on(DEMO_DATABASE, folder, arguments)
}

/// A folder with a key and the database of `buydesk up --demo`, which contains this many orders.
fn seeded_folder(orders: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    document_of(&buydesk(folder.path(), &["backup", "key", "backup.key"]));
    let orders = orders.to_string();
    document_of(&buydesk(folder.path(), &["seed", "orders", "--count", &orders, "--yes"]));
    folder
}

fn database_path(folder: &Path) -> PathBuf {
    folder.join("database/data/demo.db")
}

async fn rows_of(folder: &Path) -> DatabaseRows {
    DatabaseRows::read(&format!("sqlite:{}", database_path(folder).display())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_of_running_product_contains_all_earlier_orders_and_is_restored_exactly() {
    let platform = BuydeskUp::start(&UNLIMITED).await;
    let folder = platform.folder().to_owned();
    document_of(&buydesk(&folder, &["backup", "key", "backup.key"]));
    deposit(&platform, &folder);
    let clients = Clients::start(&platform);
    clients.wait_for(30).await;
    let before = clients.placed();
    let backup = document_of(&buydesk(&folder, &["backup"]));
    let after = clients.placed();
    clients.wait_for(after + 10).await;
    clients.stop().await;
    let contents = &backup["contents"];
    let orders = contents["orders"].as_u64().unwrap();
    // Each client may have an order whose response it has not received yet.
    assert!((before..=after + CLIENTS as u64).contains(&orders), "{before}, {orders}, {after}");
    assert_eq!((&contents["wallets"], &contents["entries"]), (&json!(1), &json!(2)), "{contents}");
    assert_eq!(contents["wallet_totals"], json!([{ "currency": "EUR", "wallets": 1, "balance": "50.0000" }]));

    let folder = platform.kill().await;
    let original = rows_of(folder.path()).await;
    delete_database(&database_path(folder.path()));
    let file = backup["file"].as_str().unwrap();
    let checked = document_of(&buydesk(folder.path(), &["backup", "check", file]));
    assert_eq!((&checked["contents"], &checked["content_sha256"]), (contents, &backup["content_sha256"]));
    let restored = document_of(&buydesk(folder.path(), &["restore", file]));
    assert_eq!((&restored["contents"], &restored["limit"]), (contents, &backup["limit"]));
    let journal =
        json!({ "checked": { "wallets": 1, "entries": 1, "movements": 1, "paid_orders": 0 }, "violations": [] });
    assert_eq!(restored["journal"], journal);

    let restored = rows_of(folder.path()).await;
    let differences = original.differences(&restored);
    assert_eq!(differences.not_earlier(), [""; 0]);
    assert_eq!((restored.count("orders"), restored.count("idempotency_keys")), (orders, orders));
    assert_eq!(differences.of("wallets").equal, 1);

    let platform = BuydeskUp::start_in(folder, &UNLIMITED).await;
    let clients = Clients::start(&platform);
    clients.wait_for(5).await;
    clients.stop().await;
    let folder = platform.kill().await;
    let continued = rows_of(folder.path()).await;
    assert_eq!(continued.differences(&restored).not_earlier(), [""; 0]);
    assert!(continued.count("orders") >= orders + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_database_has_the_same_rows() {
    let folder = seeded_folder(300);
    let original = rows_of(folder.path()).await;
    let backup = document_of(&buydesk(folder.path(), &["backup"]));
    delete_database(&database_path(folder.path()));
    document_of(&buydesk(folder.path(), &["restore", backup["file"].as_str().unwrap()]));
    let restored = rows_of(folder.path()).await;
    assert_eq!(original.differences(&restored).unequal(), [""; 0]);
    assert_eq!(restored.count("orders"), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_input_is_refused_and_creates_no_database() {
    let folder = seeded_folder(50);
    let folder = folder.path();
    let backup = document_of(&buydesk(folder, &["backup"]));
    let file = backup["file"].as_str().unwrap();
    let bytes = fs::read(folder.join(file)).unwrap();

    let existing = error_of(&buydesk(folder, &["restore", file]));
    assert!(
        existing.contains("database/data/demo.db exists already, and a database is never overwritten"),
        "{existing}"
    );

    let real = error_of(&buydesk(folder, &["restore", file, "--to", "./database/data/buydesk.db"]));
    assert!(real.contains("the orders of the backup are simulated"), "{real}");
    assert!(!folder.join("database/data/buydesk.db").exists());

    document_of(&buydesk(folder, &["backup", "key", "other.key"]));
    let wrong_key = error_of(&buydesk(folder, &["restore", file, "--to", "new.db", "--key-file", "other.key"]));
    assert!(
        wrong_key.contains(&format!("was encrypted with the key {}", backup["key_id"].as_str().unwrap())),
        "{wrong_key}"
    );
    let missing_key = error_of(&buydesk(folder, &["restore", file, "--to", "new.db", "--key-file", "none.key"]));
    assert_eq!(missing_key, "The key file none.key does not exist.");
    let unset = run_binary("buydesk", &["backup"], [("DATABASE_URL", DEMO_DATABASE)], folder);
    let unset = String::from_utf8(unset.stderr).unwrap();
    assert!(unset.contains("BACKUP_KEY_FILE is not set; it must be the path of a key file"), "{unset}");

    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (damaged, reason) in [
        (&flipped[..], "it is damaged or cut off in part 1 of 64 KiB"),
        (&bytes[..bytes.len() - 100], "it is damaged or cut off in part 1 of 64 KiB"),
        (b"SQLite format 3\0", "is not a backup file of Buydesk"),
    ] {
        fs::write(folder.join("damaged.backup"), damaged).unwrap();
        for command in [&["restore", "damaged.backup", "--to", "new.db"][..], &["backup", "check", "damaged.backup"]] {
            let error = error_of(&buydesk(folder, command));
            assert!(error.contains(reason) && error.contains("damaged.backup"), "{error}");
        }
    }
    let to_time = buydesk(folder, &["restore", file, "--to", "new.db", "--to-time", "2026-01-02T03:04:05Z"]);
    assert_eq!(to_time.status.code(), Some(2), "{to_time:?}");

    fs::write(folder.join("new.db-wal"), "").unwrap();
    let left_over = error_of(&buydesk(folder, &["restore", file, "--to", "new.db"]));
    assert!(left_over.contains("new.db-wal belongs to another database of the name new.db"), "{left_over}");
    let absent = error_of(&buydesk_on("sqlite:absent.db", folder, &["backup"]));
    assert!(absent.contains("The database file absent.db does not exist."), "{absent}");
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "new.db" || name == "absent.db"), "{names:?}");
    assert!(!names.iter().any(|name| name == "new.db.lock"), "{names:?}");
}

#[test]
fn unusable_files_and_folders_are_named() {
    let folder = seeded_folder(10);
    let folder = folder.path();
    let backup = document_of(&buydesk(folder, &["backup"]));
    let (file, key_id) = (backup["file"].as_str().unwrap(), backup["key_id"].as_str().unwrap());
    fs::write(folder.join("notes.db"), "These are notes and not a database. ".repeat(100)).unwrap();
    fs::write(folder.join("empty.db"), "").unwrap();
    let mut bytes = fs::read(folder.join(file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.join("damaged.backup"), bytes).unwrap();
    document_of(&buydesk(folder, &["backup", "key", "other.key"]));
    let to_proc = ["backup", "--to", "/proc/x"];
    let other_key = ["restore", file, "--to", "new.db", "--key-file", "other.key"];
    let on = |database: &str, arguments: &[&str]| {
        let output = buydesk_on(database, folder, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        serde_json::from_slice::<Value>(&output.stderr).unwrap()
    };
    let demo = |arguments: &[&str]| on(DEMO_DATABASE, arguments);
    for (document, code, detail, next_step) in [
        (
            on("sqlite:notes.db", &["backup"]),
            "not_a_database",
            "notes.db is not a database file of SQLite.",
            "Set DATABASE_URL",
        ),
        (on("sqlite:empty.db", &["backup"]), "not_migrated", "empty.db has no tables of Buydesk", "Set DATABASE_URL"),
        (
            on("sqlite:/dev/full", &["backup"]),
            "not_a_database",
            "/dev/full is not a file with a database.",
            "Set DATABASE_URL",
        ),
        (on("sqlite", &["backup"]), "invalid_settings", "DATABASE_URL", "Correct these settings"),
        (
            demo(&["restore", "/nope"]),
            "backup_missing",
            "The backup file /nope does not exist.",
            "Name a file that `buydesk backup` wrote",
        ),
        (
            demo(&["backup", "check", "notes.db"]),
            "not_a_backup",
            "notes.db is not a backup file of Buydesk.",
            "Name a file that",
        ),
        (
            demo(&["restore", "damaged.backup", "--to", "new.db"]),
            "backup_unusable",
            "it is damaged or cut off in part 1 of 64 KiB.",
            "Use another copy of this backup",
        ),
        (demo(&other_key), "wrong_key", "was encrypted with the key", &format!("to the file with the key {key_id}.")),
        (demo(&["backup", "key", "/nope/x"]), "folder_missing", "the folder /nope does not exist", "Create the folder"),
        (demo(&["backup", "key", "other.key"]), "file_exists", "other.key exists already", "Name a file that does not"),
        (
            demo(&to_proc),
            "not_writable",
            "The folder /proc/x does not exist and cannot be created there",
            "name another path with --to",
        ),
    ] {
        assert_eq!(document["code"], code, "{document}");
        assert!(document["detail"].as_str().unwrap().contains(detail), "{document}");
        assert!(document["next_step"].as_str().unwrap_or_default().contains(next_step), "{document}");
    }
    let restored = document_of(&buydesk(folder, &["restore", file, "--to", "sqlite:copies/new.db"]));
    assert_eq!(restored["restored_to"], "copies/new.db");
    assert!(folder.join("copies/new.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_is_refused_while_the_product_runs_although_the_database_file_was_deleted() {
    let platform = BuydeskUp::start(&[]).await;
    let folder = platform.folder().to_owned();
    document_of(&buydesk(&folder, &["backup", "key", "backup.key"]));
    let backup = document_of(&buydesk(&folder, &["backup"]));
    delete_database(&database_path(&folder));
    let error = error_of(&buydesk(&folder, &["restore", backup["file"].as_str().unwrap()]));
    assert!(error.contains(&format!("is in use by the process {}", platform.process_id())), "{error}");
    platform.kill().await;
}

#[test]
fn full_disk_leaves_no_backup() {
    let folder = seeded_folder(4000);
    let disk = SmallDisk::new(1);
    // The disk is visible only to processes that the launcher starts, so the script also runs `ls`.
    let script = format!(
        "'{}' --json backup --to '{1}' --key-file backup.key; code=$?; ls -A '{1}' | wc -l; exit $code",
        binary_path("buydesk").display(),
        disk.path().display()
    );
    let mut command: Vec<_> = disk.launcher();
    command.extend([
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        format!("dd if=/dev/zero of='{}/filler' bs=1k count=900 2>/dev/null; {script}", disk.path().display()),
    ]);
    let mut command_line = Command::new(&command[0]);
    command_line.args(&command[1..]).env_clear().env("PATH", "/usr/bin:/bin:/sbin:/usr/sbin");
    let output = command_line.env("DATABASE_URL", DEMO_DATABASE).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["code"], "disk_full", "{error}");
    assert!(error["detail"].as_str().unwrap().ends_with("was not written: the disk is full."), "{error}");
    // The only file is the filler.
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "1");
}
