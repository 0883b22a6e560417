use std::{fs, os::unix::fs::symlink, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A folder with a settings file, and the watcher of the file.
fn watched() -> (TempDir, PathBuf, FileWatcher) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("settings.env");
    fs::write(&file, "A=1\n").unwrap();
    let watcher = FileWatcher::start(&file).unwrap();
    (folder, file, watcher)
}

async fn is_detected(watcher: &FileWatcher) -> bool {
    timeout(TIMEOUT, watcher.changed()).await.is_ok()
}

#[tokio::test]
async fn written_replaced_and_deleted_file_is_detected() {
    let (folder, file, watcher) = watched();
    fs::write(&file, "A=2\n").unwrap();
    assert!(is_detected(&watcher).await);
    // Editors replace a file in this way.
    let new = folder.path().join("new");
    fs::write(&new, "A=3\n").unwrap();
    fs::rename(&new, &file).unwrap();
    assert!(is_detected(&watcher).await);
    fs::write(&file, "A=4\n").unwrap();
    assert!(is_detected(&watcher).await, "the new file is not watched");
    fs::remove_file(&file).unwrap();
    assert!(is_detected(&watcher).await);
    fs::write(&file, "A=5\n").unwrap();
    assert!(is_detected(&watcher).await);
}

#[tokio::test]
async fn new_target_of_link_is_detected() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Kubernetes mounts a ConfigMap in this way.
    for version in ["..1", "..2"] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("settings.env"), version).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/settings.env", path("settings.env")).unwrap();
    let watcher = FileWatcher::start(&path("settings.env")).unwrap();
    symlink("..2", path("..data_tmp")).unwrap();
    fs::rename(path("..data_tmp"), path("..data")).unwrap();
    assert!(is_detected(&watcher).await);
    assert_eq!(fs::read_to_string(path("settings.env")).unwrap(), "..2");
}

#[tokio::test]
async fn reads_and_other_files_are_not_detected() {
    let (folder, file, watcher) = watched();
    fs::read_to_string(&file).unwrap();
    fs::write(folder.path().join("buydesk.log"), "a line").unwrap();
    let wait = timeout(Duration::from_millis(300), watcher.changed());
    assert!(wait.await.is_err());
}
