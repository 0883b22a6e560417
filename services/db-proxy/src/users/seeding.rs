//! Generated users, for tests and measurements with many users.
//!
//! The users are numbered from 1, and the email address of each user contains its number. Each transaction adds the
//! numbers after the highest stored number. An interrupted run therefore leaves no gap, and the next run continues
//! after the highest number.

use std::time::Duration;

use common::{
    api::users::{Email, User, UserName, UserState},
    ids::UserId,
    time::Timestamp,
};

use crate::{database::DatabaseError, uuid_v7::new_uuid_at};

/// The largest number of a generated user. Every address contains nine digits, so the addresses sort by number.
pub const MAX_SEEDED: u64 = 999_999_999;
/// Sorts before the address of every generated user.
pub(super) const FIRST_ADDRESS: &str = "generated000000000";
/// Sorts after the address of every generated user, because `:` follows `9` in ASCII.
pub(super) const AFTER_LAST_ADDRESS: &str = "generated:";
/// The end of the address of every generated user.
pub(super) const DOMAIN: &str = "@seed.example";
const BEGINNING: &str = "generated";

/// The address of the generated user with this number.
pub fn seeded_email(number: u64) -> String {
    format!("{BEGINNING}{number:09}{DOMAIN}")
}

/// The number of the generated user with this address.
pub(super) fn number_of(email: &str) -> Result<u64, DatabaseError> {
    let digits = email.strip_prefix(BEGINNING).and_then(|rest| rest.strip_suffix(DOMAIN));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| DatabaseError::InvalidRow(format!("users.email_key {email} belongs to no generated user")))
}

/// The next numbers after `highest`: at most `batch`, and none above `target`.
pub(super) fn next_numbers(highest: u64, target: u64, batch: u64) -> std::ops::RangeInclusive<u64> {
    highest + 1..=target.min(highest.saturating_add(batch))
}

/// The users with these numbers. Their times of creation are one microsecond apart, and the last time is `now`.
pub(super) fn generate(numbers: std::ops::RangeInclusive<u64>, now: Timestamp) -> impl Iterator<Item = User> {
    let last = *numbers.end();
    numbers.map(move |number| {
        let created_at = now.minus(Duration::from_micros(last - number));
        let email = seeded_email(number);
        User {
            id: UserId(new_uuid_at(created_at)),
            email: Email::from_parts(&email, &email),
            name: name_of(number),
            state: UserState::Active,
            created_at,
            updated_at: created_at,
        }
    })
}

fn name_of(number: u64) -> UserName {
    format!("Generated user {number}").parse().expect("the text is printable and short")
}

#[cfg(test)]
mod tests;
