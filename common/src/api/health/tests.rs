use super::*;

#[test]
fn instance_is_missing_after_two_and_a_half_intervals() {
    assert_eq!(missing_after(Duration::from_secs(10)), Duration::from_secs(25));
}
