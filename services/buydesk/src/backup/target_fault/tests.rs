use anyhow::Context;

use super::*;
use crate::client::error_document;

fn document(error: &anyhow::Error) -> serde_json::Value {
    serde_json::from_str(&error_document(error)).unwrap()
}

#[test]
fn full_disk_has_its_own_code_and_a_next_step() {
    let full = || anyhow::Error::from(io::Error::from(ErrorKind::StorageFull));
    let error = advise(Err::<(), _>(full()).context("new.db was not restored").unwrap_err());
    let document = document(&error);
    assert_eq!(
        (&document["code"], &document["detail"]),
        (&"disk_full".into(), &"new.db was not restored: the disk is full.".into())
    );
    assert_eq!(document["next_step"], "Free space, or name another path with --to on another disk.");
    let other = advise(anyhow::anyhow!("it is damaged"));
    assert_eq!(other.to_string(), "it is damaged");
}

#[test]
fn target_that_cannot_be_created_is_named_with_a_next_step() {
    let missing = io::Error::from(ErrorKind::NotFound);
    for (error, code, detail, next_step) in [
        (
            no_key_file(Path::new("/nope/x"), &missing),
            "folder_missing",
            "/nope/x cannot be created: the folder /nope does not exist.",
            "Create the folder, or name a file in another folder.",
        ),
        (
            no_key_file(Path::new("/proc/x"), &missing),
            "not_writable",
            "/proc/x cannot be created: no file can be created in /proc.",
            "Correct the path, or name a file in another folder.",
        ),
        (
            no_folder(Path::new("/proc/x"), &missing),
            "not_writable",
            "The folder /proc/x does not exist and cannot be created there.",
            "Correct the path, or name another path with --to.",
        ),
        (
            no_folder(Path::new("/dev/full"), &ErrorKind::AlreadyExists.into()),
            "not_writable",
            "/dev/full is not a folder.",
            "Correct the path, or name another path with --to.",
        ),
        (
            no_file_in(Path::new("/proc"), &missing),
            "not_writable",
            "No file can be created in /proc.",
            "Correct the path, or name another path with --to.",
        ),
        (
            no_file_in(Path::new("/nope"), &missing),
            "folder_missing",
            "The folder /nope does not exist.",
            "Create the folder, or name another path with --to.",
        ),
        (
            no_file_in(Path::new("/"), &ErrorKind::PermissionDenied.into()),
            "not_writable",
            "No file can be created in /: the user of this process may not do that.",
            "Change the owner or the permissions of the folder, or name another path with --to.",
        ),
    ] {
        let document = document(&error.into());
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document["detail"], detail, "{document}");
        assert_eq!(document["next_step"], next_step, "{document}");
    }
}
