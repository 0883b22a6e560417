use super::*;

#[test]
fn other_users_cannot_enter_the_folder() {
    let folder = private_folder("buydesk-").tempdir().unwrap();
    assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
