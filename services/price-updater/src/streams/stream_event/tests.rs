use super::*;

#[test]
fn repeated_number_is_a_duplicate_and_repeated_time_is_not() {
    assert!(Sequence::Number(2).is_new_after(Sequence::Number(1)));
    assert!(!Sequence::Number(2).is_new_after(Sequence::Number(2)));
    assert!(!Sequence::Number(1).is_new_after(Sequence::Number(2)));
    assert!(Sequence::Time(2).is_new_after(Sequence::Time(2)));
    assert!(!Sequence::Time(1).is_new_after(Sequence::Time(2)));
}
