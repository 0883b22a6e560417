//! Converts the payloads of clients to commands, or reports the invalid fields.

use common::{
    api::{
        FieldError, FieldErrors, MAX_FIELD_ERRORS,
        keys::{
            KeyHash, KeyPatch, KeyPayload, KeyPrefix, RateLimitChange, Scope, Scopes, StoreKeyCommand, UpdateKeyCommand,
        },
        users::{CreateUserCommand, Email, NewName, NewNameError, UpdateUserCommand, UserName, UserPatch, UserPayload},
    },
    spelling::must_be_one_of,
    text::{TextType, describe_refused, find_invisible_control},
    time::Timestamp,
};

/// An e-mail address that a client sends. It has no invisible character that changes how other text is shown.
struct NewEmail(Email);

impl TextType for NewEmail {
    fn parse_text(text: &str) -> Result<Self, String> {
        let email = Email::parse_text(text)?;
        let invisible = find_invisible_control(text).map(NewNameError::Invisible);
        invisible.map_or(Ok(Self(email)), |error| Err(describe_refused(error, text)))
    }
}

/// Checks the rate limit of a new key or of a change.
fn check_rate(errors: &mut FieldErrors, limit: RateLimitChange) {
    if let Err(error) = limit.check_range() {
        errors.add("rate_limit_per_minute", error);
    }
}

/// The command that creates a user.
pub fn validate_user(payload: &UserPayload) -> Result<CreateUserCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let email = errors.required("email", payload.email.as_deref()).map(|NewEmail(email)| email);
    let name = errors.required("name", payload.name.as_deref()).map(|NewName(name)| name);
    errors.into_result(email.zip(name).map(|(email, name)| CreateUserCommand { email, name }))
}

/// The command that changes a user.
pub fn validate_patch(patch: &UserPatch) -> Result<UpdateUserCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let email = errors.optional("email", patch.email.as_deref()).map(|NewEmail(email)| email);
    let name = errors.optional("name", patch.name.as_deref()).map(|NewName(name)| name);
    errors.into_result(Some(UpdateUserCommand { email, name }))
}

/// The validated fields of a request for a new key.
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
    let name = errors.required("name", name.as_deref()).map(|NewName(name)| name);
    let scopes = match scopes {
        None => {
            errors.add_missing("scopes");
            None
        }
        Some(names) => parse_scopes(&mut errors, names),
    };
    check_rate(&mut errors, (*rate_limit_per_minute).into());
    if let Some(past) = expires_at.filter(|expires_at| *expires_at <= now) {
        let rule = format!("must be after the current time {}", now.shortest());
        errors.add("expires_at", describe_refused(rule, &past.shortest()));
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
    let name = errors.optional("name", name.as_deref()).map(|NewName(name)| name);
    check_rate(&mut errors, *rate_limit_per_minute);
    errors.into_result(Some(UpdateKeyCommand { name, rate_limit_per_minute: *rate_limit_per_minute }))
}

/// The scopes of a new key. Records an error for each unknown name, at most [`MAX_FIELD_ERRORS`].
fn parse_scopes(errors: &mut FieldErrors, names: &[String]) -> Option<Scopes> {
    let known = Scope::ALL.map(Scope::as_str);
    if names.is_empty() {
        errors.add("scopes", format!("must contain at least one of {}", known.join(", ")));
        return None;
    }
    let unknown = names.iter().enumerate().filter(|(_, name)| Scope::from_name(name).is_none());
    for (position, name) in unknown.take(MAX_FIELD_ERRORS) {
        errors.add(format!("scopes[{position}]"), must_be_one_of(name, known));
    }
    names.iter().map(|name| Scope::from_name(name)).collect()
}

#[cfg(test)]
mod tests;
