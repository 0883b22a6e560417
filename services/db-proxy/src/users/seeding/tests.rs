use super::*;

#[test]
fn generated_addresses_are_valid_and_sort_by_their_numbers() {
    let numbers = [1, 2, 9, 10, 99, 1_000_000, MAX_SEEDED];
    let emails = numbers.map(seeded_email);
    assert!(emails.is_sorted());
    for (number, email) in numbers.into_iter().zip(&emails) {
        assert!(FIRST_ADDRESS < email.as_str() && email.as_str() < AFTER_LAST_ADDRESS, "{email}");
        assert_eq!(email.parse::<Email>().unwrap().comparison_key(), email);
        assert_eq!(number_of(email).unwrap(), number);
    }
    assert!(number_of("generated1@example.org").is_err());
}

#[test]
fn batches_continue_after_the_highest_number_and_end_at_the_target() {
    assert_eq!(next_numbers(0, 10, 4), 1..=4);
    assert_eq!(next_numbers(8, 10, 4), 9..=10);
    assert!(next_numbers(10, 10, 4).is_empty());
    assert!(next_numbers(12, 10, 4).is_empty());
}

#[test]
fn generated_users_are_in_the_order_of_their_numbers() {
    let now = Timestamp::from_micros(1_767_323_045_678_000).unwrap();
    let users: Vec<_> = generate(5..=1004, now).collect();
    assert!(users.is_sorted_by(|earlier, later| earlier.id < later.id && earlier.created_at < later.created_at));
    let last = users.last().unwrap();
    assert_eq!((last.email.as_str(), last.created_at), ("generated000001004@seed.example", now));
}
