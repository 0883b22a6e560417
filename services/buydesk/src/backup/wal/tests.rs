use std::fs;

use super::*;

const NAME: &str = "000000010000000000000003";

#[test]
fn archive_returns_the_archived_file_and_refuses_a_different_file_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let (archive_folder, log) = (folder.path().join("archive"), folder.path().join(NAME));
    let key_path = folder.path().join("backup.key");
    BackupKey::create(&key_path).unwrap();
    let key = BackupKey::read(&key_path).unwrap();
    let fetched = folder.path().join("fetched");
    let fetch = |name: &str| fetch(name, &fetched, &archive_folder, &key).map_err(|error| format!("{error:#}"));
    let archive = || archive(&log, &archive_folder, &key).map_err(|error| format!("{error:#}"));

    assert!(fetch(NAME).unwrap_err().contains("does not exist"));
    fs::write(&log, vec![7; 200_000]).unwrap();
    archive().unwrap();
    archive().unwrap();
    assert_eq!(fetch(NAME), Ok(true));
    assert!(fs::read(&fetched).unwrap() == vec![7; 200_000]);
    assert_eq!(fetch("000000010000000000000004"), Ok(false));
    assert_eq!(fetch("00000002.history"), Ok(false));

    fs::write(&log, vec![8; 200_000]).unwrap();
    assert!(archive().unwrap_err().contains("the archive already has a different file"));

    // A copy of an archived file under another name is refused.
    let archived = path_in_archive(&archive_folder, NAME);
    fs::copy(&archived, path_in_archive(&archive_folder, "000000010000000000000004")).unwrap();
    let error = fetch("000000010000000000000004").unwrap_err();
    assert!(error.contains(&format!("contains {NAME}, although its name is that of")), "{error}");

    let mut bytes = fs::read(&archived).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&archived, bytes).unwrap();
    assert!(fetch(NAME).unwrap_err().contains("damaged"));
    assert!(archive().unwrap_err().contains("damaged"));
}

#[test]
fn name_of_a_log_file_has_only_letters_digits_and_dots() {
    for name in
        [NAME, "00000002.history", "000000010000000000000003.00000028.backup", "000000010000000000000003.partial"]
    {
        assert!(is_log_name(name), "{name}");
    }
    for name in ["", "../secret", ".hidden", "a/b", "a b"] {
        assert!(!is_log_name(name), "{name}");
    }
}
