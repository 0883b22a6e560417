use super::*;

#[test]
fn key_file_is_private_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.key");
    let id = BackupKey::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    let key = BackupKey::read(&path).unwrap();
    assert_eq!((key.id(), id.len()), (id, 2 * KEY_ID_BYTES));
    assert_ne!(BackupKey::create(&folder.path().join("other.key")).unwrap(), key.id());

    let error = BackupKey::create(&path).unwrap_err().to_string();
    assert!(error.contains("exists already") && error.contains("never overwritten"), "{error}");
    assert_eq!(BackupKey::read(&path).unwrap().0, key.0);
}

#[test]
fn invalid_key_file_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.key");
    let error_for = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        format!("{:#}", BackupKey::read(&path).err().unwrap())
    };
    let digits = "0".repeat(2 * KEY_BYTES);
    let valid = format!("{FIRST_LINE}\n{digits}\n");
    for (text, mode, reason) in [
        ("", 0o600, "it has fewer than two lines"),
        ("-----BEGIN CERTIFICATE-----\n", 0o600, "its first line is not"),
        (&format!("{FIRST_LINE}\n{}\n", &digits[1..]), 0o600, "its second line is not 64 hexadecimal digits"),
        (&format!("{FIRST_LINE}\n+{}\n", &digits[1..]), 0o600, "its second line is not 64 hexadecimal digits"),
        (&"x".repeat(2000), 0o600, "it is longer than 1024 bytes"),
        (&valid, 0o604, "run `chmod o= "),
    ] {
        let error = error_for(text, mode);
        assert!(error.contains(reason) && error.contains("backup.key"), "{error}");
    }
    fs::write(&path, valid).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(BackupKey::read(&path).unwrap().0, [0; KEY_BYTES]);

    let error = BackupKey::read(&folder.path().join("none.key")).err().unwrap().to_string();
    assert!(error.contains("none.key does not exist.\n`") && error.contains(" backup key "), "{error}");
    let error = BackupKey::read(folder.path()).err().unwrap().to_string();
    assert!(error.contains("is not a file"), "{error}");
}
