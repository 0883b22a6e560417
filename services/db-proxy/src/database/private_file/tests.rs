use super::*;
use crate::database::Database;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn new_database_is_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("database/data");
    let file = data.join("buydesk.db");
    let database = Database::open(&format!("sqlite:{}", file.display())).await.unwrap();
    database.migrate().await.unwrap();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(data.parent().unwrap()), 0o700);
    let files: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 1, "the write-ahead log is missing: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn existing_database_loses_the_permissions_of_other_users() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = folder.path().join("buydesk.db");
    let url = format!("sqlite:{}", file.display());
    Database::open(&url).await.unwrap().close().await;
    fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).unwrap();
    Database::open(&url).await.unwrap().close().await;
    assert_eq!(mode(&file), 0o660);
    assert_eq!(mode(folder.path()), 0o755);
}

#[test]
fn files_left_over_beside_a_new_database_lose_the_permissions_of_other_users() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("buydesk.db");
    let left_over = SUFFIXES.map(|suffix| with_suffix(&file, suffix));
    for path in &left_over {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    prepare(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    for path in left_over {
        assert_eq!(mode(&path), 0o640, "{}", path.display());
    }
}

#[tokio::test]
async fn file_that_is_no_database_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    for content in ["notes", "These notes are longer than the header of a database."] {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let error = Database::open(&format!("sqlite:{}", file.display())).await.err().unwrap().to_string();
        assert!(error.contains("is not an SQLite database"), "{error}");
        assert_eq!(mode(&file), 0o644);
    }
}

#[test]
fn device_is_refused() {
    for path in ["/dev/null", "/dev/full"] {
        let expected = format!("{path} is a device or another special file. Set DATABASE_URL to the path of a file");
        assert_eq!(prepare(Path::new(path)).unwrap_err().to_string(), expected);
    }
}

#[test]
fn folder_at_the_database_path_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("folder");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(&inner, PermissionsExt::from_mode(0o755)).unwrap();
    prepare(&inner).unwrap();
    assert_eq!(mode(&inner), 0o755);
}
