use super::*;

#[tokio::test]
async fn second_lock_fails_and_names_the_process_until_the_first_lock_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    std::fs::write(&path, "").unwrap();
    let first = FileLock::acquire(&path).await.unwrap();
    let error = FileLock::acquire(&path).await.unwrap_err().to_string();
    let own_id = std::process::id();
    assert!(error.contains(&format!("orders.db is in use by the process {own_id}.")), "{error}");
    assert!(error.contains("DATABASE_URL") && error.contains("PostgreSQL"), "{error}");
    // A link leads to the same file.
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    FileLock::acquire(&link).await.unwrap_err();
    drop(first);
    FileLock::acquire(&path).await.unwrap();
}

#[tokio::test]
async fn file_that_does_not_exist_yet_can_be_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let first = FileLock::acquire(&path).await.unwrap();
    std::fs::write(&path, "").unwrap();
    FileLock::acquire(&path).await.unwrap_err();
    drop(first);
    FileLock::acquire(&path).await.unwrap();
}

#[tokio::test]
async fn lock_file_left_by_an_exited_process_does_not_prevent_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    std::fs::write(&path, "").unwrap();
    std::fs::write(folder.path().join("orders.db.lock"), "1\n").unwrap();
    let _lock = FileLock::acquire(&path).await.unwrap();
    let written = std::fs::read_to_string(folder.path().join("orders.db.lock")).unwrap();
    assert_eq!(written, format!("{}\n", std::process::id()));
}

#[tokio::test]
async fn deleted_lock_file_is_not_current_and_a_new_one_can_be_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let lock_path = folder.path().join("orders.db.lock");
    let first = FileLock::acquire(&path).await.unwrap();
    let opened = File::open(&lock_path).unwrap();
    assert!(is_current(&opened, &lock_path));
    first.remove();
    assert!(!lock_path.exists());
    assert!(!is_current(&opened, &lock_path));
    let _second = FileLock::acquire(&path).await.unwrap();
    assert!(!is_current(&opened, &lock_path));
    FileLock::acquire(&path).await.unwrap_err();
}
