//! The credentials that the command line sends to each service.

use common::{
    api::{Code, Subcode, keys::KeySecret},
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
    source: CredentialSource,
}

/// Where the credentials were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CredentialSource {
    #[default]
    Settings,
    /// The options `--api-key` and `--operator-token`.
    Options,
}

/// The credential of a request.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    ApiKey(&'a Secret),
    OperatorToken(&'a Secret),
}

impl<'a> Credential<'a> {
    pub fn secret(self) -> &'a Secret {
        match self {
            Self::ApiKey(secret) | Self::OperatorToken(secret) => secret,
        }
    }
}

impl Credentials {
    /// The credentials of the command line. If it has none, the credentials of the settings. An API key that is incomplete or
    /// mistyped is an error. The error of the setting is added to `env`.
    pub fn new(env: &mut Env, options: CredentialOptions) -> Result<Self, ClientError> {
        // Reading the key as a secret would check its length. Its format is checked below instead.
        let api_key = env.text(API_KEY).map(Secret::new);
        let settings =
            Self { api_key, operator_token: shared::operator_token(env), source: CredentialSource::Settings };
        let credentials = match options {
            // Each of the two options replaces both settings.
            CredentialOptions { api_key: None, operator_token: None } => settings,
            CredentialOptions { api_key, operator_token } => {
                Self { api_key, operator_token, source: CredentialSource::Options }
            }
        };
        let is_invalid = credentials.api_key.as_ref().is_some_and(|key| key.expose().parse::<KeySecret>().is_err());
        match credentials.source {
            // Reported together with the other invalid settings.
            CredentialSource::Settings if is_invalid => {
                let rule = "it is incomplete or mistyped; it must be the whole API key, which begins with bdk_";
                env.add_fault(API_KEY, Some("***".to_owned()), rule);
                Ok(credentials)
            }
            CredentialSource::Options if is_invalid => Err(ClientError::new(
                "invalid_api_key",
                "The API key of --api-key is incomplete or mistyped.",
                "Set --api-key to the whole key, which begins with bdk_.",
            )),
            CredentialSource::Settings | CredentialSource::Options => Ok(credentials),
        }
    }

    pub fn api_key(&self) -> Option<&Secret> {
        self.api_key.as_ref()
    }

    pub fn source(&self) -> CredentialSource {
        self.source
    }

    /// The credential for a service with this audience.
    pub fn of(&self, audience: Audience) -> Option<Credential<'_>> {
        let api_key = self.api_key.as_ref().map(Credential::ApiKey);
        let operator_token = self.operator_token.as_ref().map(Credential::OperatorToken);
        match audience {
            Audience::Everybody => None,
            Audience::Customers => api_key.or(operator_token),
            Audience::UserManagers => operator_token.or(api_key),
            Audience::Operators => operator_token,
        }
    }
}

const SET_OPERATOR_TOKEN: &str = "As an operator, set OPERATOR_TOKEN to the operator token of the platform's settings. If they contain none, `buydesk up` prints one \
     at its start.";

/// The advice if a service refused a request with this credential. `None` if the refusal has another reason.
pub fn remedy(
    code: Code,
    subcode: Option<Subcode>,
    sent: Option<Credential<'_>>,
    source: CredentialSource,
) -> Option<&'static str> {
    match (code, subcode, sent) {
        (Code::Unauthorized | Code::Forbidden, Some(Subcode::OperatorsOnly), _) => Some(SET_OPERATOR_TOKEN),
        (Code::Forbidden, Some(Subcode::MissingScope), _) => Some(
            "Set BUYDESK_API_KEY to a key with this scope. The scopes of a key never change; an operator creates another key with \
             `buydesk key create`.",
        ),
        (Code::Unauthorized, _, None) => Some(
            "Set BUYDESK_API_KEY to an API key, or, as an operator, OPERATOR_TOKEN to the operator token of the platform's settings. If \
             they contain none, `buydesk up` prints one at its start.",
        ),
        (Code::Unauthorized, _, Some(Credential::ApiKey(_))) => Some(match source {
            CredentialSource::Settings => {
                "Set BUYDESK_API_KEY to another key, or ask an operator, who sees, creates and revokes keys."
            }
            CredentialSource::Options => {
                "Set --api-key to another key, or ask an operator, who sees, creates and revokes keys."
            }
        }),
        (Code::Unauthorized, _, Some(Credential::OperatorToken(_))) => Some(match source {
            CredentialSource::Settings => {
                "Set OPERATOR_TOKEN to the operator token of the platform's settings, or unset it. If the settings contain none, `buydesk \
                 up` prints one at its start."
            }
            CredentialSource::Options => {
                "Set --operator-token to the operator token of the platform's settings, or omit the option. If the settings contain none, \
                 `buydesk up` prints one at its start."
            }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
