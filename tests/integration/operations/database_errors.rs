//! The error texts of db-proxy about a database that it cannot use.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Output},
};

use tests::{
    environment::binary_path,
    servers::{Database, query_text},
};

/// A user id without privileges. The machine needs no account with this id.
const UNPRIVILEGED: u32 = 65534;

fn db_proxy(program: &Path, database_url: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("DATABASE_URL", database_url).env("INTERNAL_TOKEN", "0123456789abcdef");
    command.env("DB_PROXY_PORT", "0");
    command
}

#[track_caller]
fn assert_refused(output: &Output, expected: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(error.contains(expected), "{expected} is not in: {error}");
    for text in ["very-secret", "error returned from database", "os error"] {
        assert!(!error.contains(text), "{error}");
    }
}

#[test]
fn read_only_database_file_is_named_with_the_remedy() {
    // The folder is in `/tmp`, because `TMPDIR` possibly names a folder that other users cannot read.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (program, file) = (folder.path().join("db-proxy"), folder.path().join("orders.db"));
    fs::copy(binary_path("db-proxy"), &program).unwrap();
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).unwrap();
    let mut command = db_proxy(&program, &format!("sqlite:{}", file.display()));
    // Permissions do not restrict root, so db-proxy runs as another user.
    if fs::metadata(&file).unwrap().uid() == 0 {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    let expected = format!(
        "the file {} cannot be opened for writing: the user of this process may not do that. Change the owner or the permissions",
        file.display()
    );
    assert_refused(&command.current_dir(folder.path()).output().unwrap(), &expected);
}

#[tokio::test]
async fn refused_login_is_named_with_the_address_and_the_remedy() {
    let database = Database::postgres().await;
    let address = database.server_address();
    let folder = tempfile::tempdir().unwrap();
    for (user, name, reason) in [
        ("postgres", "no_such_database", "the database does not exist. Create it"),
        (
            "no_such_user",
            "postgres",
            "the server does not permit this user to connect from this machine. Create the user",
        ),
    ] {
        let url = format!("postgres://{user}:very-secret@{address}/{name}");
        let output = db_proxy(&binary_path("db-proxy"), &url).current_dir(folder.path()).output().unwrap();
        assert_refused(
            &output,
            &format!("PostgreSQL at postgres://{user}:***@{address}/{name} refuses the login: {reason}"),
        );
    }
}

#[tokio::test]
async fn role_that_may_not_create_tables_is_named_with_the_statement_that_permits_it() {
    let database = Database::postgres().await;
    let owner = database.url();
    let role = format!("reader_{}", std::process::id());
    query_text(&owner, &format!("create role {role} login")).await;
    // Every role may create tables in a database of PostgreSQL 14.
    query_text(&owner, "revoke create on schema public from public").await;
    let (server, name) = (database.server_address(), owner.rsplit_once('/').unwrap().1);
    let url = format!("postgres://{role}:very-secret@{server}/{name}");
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["--migrate"]] {
        let mut command = db_proxy(&binary_path("db-proxy"), &url);
        let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
        assert_refused(
            &output,
            &format!("the role {role} may not create or change the tables of the database. As a superuser"),
        );
        assert_refused(&output, &format!("`grant usage, create on schema public to {role}`"));
    }
    query_text(&owner, &format!("grant usage, create on schema public to {role}")).await;
    let output = db_proxy(&binary_path("db-proxy"), &url).arg("--migrate").current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
