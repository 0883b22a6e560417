//! Converts the payloads of clients to commands, or reports every wrong field.

use common::{
    api::{
        FieldError, FieldErrors,
        keys::{
            KeyHash, KeyPatch, KeyPayload, KeyPrefix, MAX_KEY_RATE, RateLimitChange, Scope, Scopes, StoreKeyCommand,
            UpdateKeyCommand,
        },
        users::{CreateUserCommand, UpdateUserCommand, UserName, UserPatch, UserPayload},
    },
    time::Timestamp,
};

/// The command that creates a user.
pub fn validate_user(payload: &UserPayload) -> Result<CreateUserCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let email = errors.required("email", payload.email.as_deref());
    let name = errors.required("name", payload.name.as_deref());
    errors.into_result(email.zip(name).map(|(email, name)| CreateUserCommand { email, name }))
}

/// The command that changes a user.
pub fn validate_patch(patch: &UserPatch) -> Result<UpdateUserCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let email = errors.optional("email", patch.email.as_deref());
    let name = errors.optional("name", patch.name.as_deref());
    errors.into_result(Some(UpdateUserCommand { email, name }))
}

/// A new key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerms {
    pub name: UserName,
    pub scopes: Scopes,
    pub rate_limit_per_minute: Option<u32>,
    pub expires_at: Option<Timestamp>,
}

impl KeyTerms {
    /// The command that stores the key with this prefix and hash.
    pub fn store_command(&self, prefix: KeyPrefix, hash: KeyHash) -> StoreKeyCommand {
        let Self { name, scopes, rate_limit_per_minute, expires_at } = self.clone();
        StoreKeyCommand { prefix, hash, name, scopes, rate_limit_per_minute, expires_at }
    }
}

/// Validates the terms of a new key. If the key expires, it must expire after `now`.
pub fn validate_key(payload: &KeyPayload, now: Timestamp) -> Result<KeyTerms, Vec<FieldError>> {
    let KeyPayload { name, scopes, rate_limit_per_minute, expires_at } = payload;
    let mut errors = FieldErrors::default();
    let name = errors.required("name", name.as_deref());
    let scopes = match scopes {
        None => {
            errors.add_missing("scopes");
            None
        }
        Some(names) => parse_scopes(names).map_err(|error| errors.add("scopes", error)).ok(),
    };
    if !RateLimitChange::from(*rate_limit_per_minute).is_in_range() {
        errors.add("rate_limit_per_minute", format_args!("must be a whole number from 1 to {MAX_KEY_RATE}"));
    }
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        errors.add("expires_at", "must be in the future");
    }
    let (rate_limit_per_minute, expires_at) = (*rate_limit_per_minute, *expires_at);
    errors.into_result(name.zip(scopes).map(|(name, scopes)| KeyTerms {
        name,
        scopes,
        rate_limit_per_minute,
        expires_at,
    }))
}

/// The command that changes a key.
pub fn validate_key_patch(patch: &KeyPatch) -> Result<UpdateKeyCommand, Vec<FieldError>> {
    let KeyPatch { name, rate_limit_per_minute } = patch;
    let mut errors = FieldErrors::default();
    let name = errors.optional("name", name.as_deref());
    if !rate_limit_per_minute.is_in_range() {
        let reason =
            format_args!("must be a whole number from 1 to {MAX_KEY_RATE}, or null for the limit of the service");
        errors.add("rate_limit_per_minute", reason);
    }
    errors.into_result(Some(UpdateKeyCommand { name, rate_limit_per_minute: *rate_limit_per_minute }))
}

fn parse_scopes(names: &[String]) -> Result<Scopes, String> {
    let known = || Scope::ALL.map(Scope::as_str).join(", ");
    let scopes: Option<Scopes> =
        names.iter().map(|name| Scope::from_name(name)).collect::<Option<Vec<_>>>().map(Into::into);
    scopes.filter(|scopes| !scopes.is_empty()).ok_or_else(|| format!("must be a list of one or more of {}", known()))
}

#[cfg(test)]
mod tests;
