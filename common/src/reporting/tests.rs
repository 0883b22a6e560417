use super::instance_name;

#[test]
fn instance_name_is_safe_in_a_log() {
    assert!(instance_name().bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)));
}
