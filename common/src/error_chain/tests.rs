use std::io::ErrorKind;

use anyhow::Context;

use super::*;

#[test]
fn users_read_causes_without_numbers_of_the_operating_system() {
    let cause = std::fs::read("/no/such/file").unwrap_err();
    assert_eq!(cause.kind(), ErrorKind::NotFound);
    let error = Err::<(), _>(cause).context("the file cannot be read").unwrap_err();
    assert!(format_chain(error.as_ref()).contains("os error"));
    assert_eq!(format_for_users(error.as_ref()), "the file cannot be read: a part of the path does not exist");
}
