//! The decisions about users and keys, without I/O: which keys may be stored, and which uses are recorded.

use std::collections::BTreeMap;

use common::{
    api::{
        FieldError,
        keys::{KeyHash, KeyUse, MAX_KEY_USES, MAX_KEYS_PER_USER, RateLimitChange, StoreKeyCommand, UpdateKeyCommand},
        users::{MAX_USER_LOOKUP, UserLookup},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};

use crate::error::DirectoryRefusal;

/// A stored key that has the same prefix as a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamePrefix {
    pub id: KeyId,
    pub user_id: UserId,
    pub hash: KeyHash,
}

/// The decision about a key that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKeyDecision {
    Insert,
    /// The request is a repetition: the key is already stored under this id.
    Repeat(KeyId),
}

/// Decides whether a key of a user is stored. `unrevoked_keys` is the number of keys of the user that are not revoked.
pub fn decide_new_key(
    user_id: UserId,
    hash: KeyHash,
    same_prefix: Option<SamePrefix>,
    unrevoked_keys: i64,
) -> Result<NewKeyDecision, DirectoryRefusal> {
    match same_prefix {
        Some(stored) if stored.user_id == user_id && stored.hash == hash => Ok(NewKeyDecision::Repeat(stored.id)),
        Some(_) => Err(DirectoryRefusal::PrefixTaken),
        None if usize::try_from(unrevoked_keys).is_ok_and(|count| count < MAX_KEYS_PER_USER) => {
            Ok(NewKeyDecision::Insert)
        }
        None => Err(DirectoryRefusal::TooManyKeys),
    }
}

/// Checks the limits that the types of the fields do not check.
pub fn validate_key(command: &StoreKeyCommand) -> Result<(), Vec<FieldError>> {
    let mut errors = Vec::new();
    if command.scopes.is_empty() {
        errors.push(FieldError::new("scopes", "must contain at least one scope"));
    }
    errors.extend(check_rate_limit(command.rate_limit_per_minute.into()).err());
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks the fields of a change that the types do not check.
pub fn validate_key_change(command: &UpdateKeyCommand) -> Result<(), Vec<FieldError>> {
    check_rate_limit(command.rate_limit_per_minute).map_err(|error| vec![error])
}

fn check_rate_limit(limit: RateLimitChange) -> Result<(), FieldError> {
    limit.check_range().map_err(|error| FieldError::new("rate_limit_per_minute", error))
}

pub fn validate_lookup(lookup: &UserLookup) -> Result<(), Vec<FieldError>> {
    let sizes = [("ids", lookup.ids.len()), ("emails", lookup.emails.len())];
    let too_long = sizes.into_iter().filter(|(_, size)| *size > MAX_USER_LOOKUP);
    let errors: Vec<_> = too_long
        .map(|(field, _)| FieldError::new(field, format!("must contain at most {MAX_USER_LOOKUP} elements")))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The last use of each key, sorted by key id. The clock of a service may be ahead, so a use in the future is recorded as `now`.
pub fn last_uses(uses: &[KeyUse], now: Timestamp) -> Result<Vec<KeyUse>, Vec<FieldError>> {
    if uses.len() > MAX_KEY_USES {
        return Err(vec![FieldError::new("uses", format!("must contain at most {MAX_KEY_USES} elements"))]);
    }
    let mut last = BTreeMap::<KeyId, Timestamp>::new();
    for KeyUse { id, used_at } in uses {
        let used_at = (*used_at).min(now);
        last.entry(*id).and_modify(|newest| *newest = used_at.max(*newest)).or_insert(used_at);
    }
    Ok(last.into_iter().map(|(id, used_at)| KeyUse { id, used_at }).collect())
}

#[cfg(test)]
mod tests;
