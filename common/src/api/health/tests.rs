use super::*;

#[test]
fn missing_comes_after_two_and_a_half_intervals() {
    assert_eq!(missing_after(Duration::from_secs(10)), Duration::from_secs(25));
}
