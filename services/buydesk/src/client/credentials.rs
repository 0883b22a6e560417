//! The credentials that the command line sends to each service.

use common::{
    api::keys::KeySecret,
    config::{Env, Secret, shared},
};

use super::{endpoint::Audience, error::ClientError};
use crate::cli::CredentialOptions;

/// The setting of the API key.
const API_KEY: &str = "BUYDESK_API_KEY";

/// An API key and the token of operators.
#[derive(Debug, Default)]
pub struct Credentials {
    api_key: Option<Secret>,
    operator_token: Option<Secret>,
}

impl Credentials {
    /// The credentials of the command line. If it has none, the credentials of the settings. An API key that is incomplete or
    /// mistyped is an error.
    pub fn new(env: &mut Env, options: CredentialOptions) -> Result<Self, ClientError> {
        let settings = Self { api_key: env.optional_secret(API_KEY), operator_token: shared::operator_token(env) };
        let credentials = match options {
            // Each of the two options replaces both settings.
            CredentialOptions { api_key: None, operator_token: None } => settings,
            CredentialOptions { api_key, operator_token } => Self { api_key, operator_token },
        };
        match &credentials.api_key {
            Some(key) if key.expose().parse::<KeySecret>().is_err() => Err(ClientError::new(
                "invalid_api_key",
                "The API key is incomplete or mistyped.",
                format!("Set --api-key or {API_KEY} to the whole key, which begins with bdk_."),
            )),
            _ => Ok(credentials),
        }
    }

    /// The credentials for a service with this audience.
    pub fn of(&self, audience: Audience) -> Option<&Secret> {
        match audience {
            Audience::Everybody => None,
            Audience::Customers => self.api_key.as_ref().or(self.operator_token.as_ref()),
            Audience::UserManagers => self.operator_token.as_ref().or(self.api_key.as_ref()),
            Audience::Operators => self.operator_token.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
