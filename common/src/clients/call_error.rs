//! Why a call to another service failed, and the problem that the client of the calling service receives.

use std::time::Duration;

use poem::http::StatusCode;

use crate::{
    api::{Code, Problem},
    config::TokenRefusal,
    error_chain::format_chain,
};

/// How long a client should wait before a retry if a setting of the platform is wrong.
const MISCONFIGURED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why a call to another service failed. The first field is the name of the called service.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request was not sent, so it had no effect.
    #[error("{0} cannot be reached")]
    Unreachable(&'static str, #[source] reqwest::Error),
    /// The request may have been received, but no complete response arrived. The effect of the request is unknown.
    #[error("{0} did not respond")]
    NoResponse(&'static str, #[source] reqwest::Error),
    /// The service does not accept the token of the calling service. The request had no effect.
    #[error("{0} refuses the token of {1}: {2}")]
    TokenRefused(&'static str, &'static str, TokenRefusal),
    /// The service responded with a problem.
    #[error("{0} responded: {1}")]
    Problem(&'static str, Box<Problem>),
    /// The response does not conform to the API of the service, or a streamed response did not begin in time.
    #[error("{0} sent an invalid response: {1}")]
    InvalidResponse(&'static str, String),
}

impl CallError {
    /// The error of a request to `service` that got no complete response.
    pub(super) fn of_transport(service: &'static str, error: reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() {
            Self::Unreachable(service, error)
        } else {
            Self::NoResponse(service, error)
        }
    }

    /// Whether the failed request possibly took effect. False for problems: the caller must check for the code
    /// `outcome_unknown`.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::NoResponse(..) | Self::InvalidResponse(..) => true,
            Self::Unreachable(..) | Self::TokenRefused(..) | Self::Problem(..) => false,
        }
    }

    /// Whether the instance has refused the request, and another instance may accept it. The request had no effect.
    pub(super) fn is_refusal_of_instance(&self) -> bool {
        let Self::Problem(_, problem) = self else { return false };
        matches!(problem.code, Code::Overloaded | Code::DatabaseUnavailable | Code::CacheUnavailable)
    }

    /// Whether the next call should go to another instance.
    pub(super) fn concerns_instance(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::NoResponse(..)) || self.is_refusal_of_instance()
    }

    /// The problem for the client of the calling service. `unavailable_code` is its code if the called service is
    /// unavailable.
    pub fn to_problem(&self, unavailable_code: Code) -> Problem {
        match self {
            // A 503 is passed on, because it states when to retry.
            Self::Problem(_, problem) if problem.code.status() == StatusCode::SERVICE_UNAVAILABLE => {
                (**problem).clone()
            }
            // An invalid response usually comes from a proxy in front of the service.
            Self::Unreachable(service, _) | Self::NoResponse(service, _) | Self::InvalidResponse(service, _) => {
                unavailable(unavailable_code, service)
            }
            Self::TokenRefused(service, ..) => {
                let detail = format!(
                    "The service {service} cannot be used until the operator has corrected the settings of the platform. Try \
                     again later."
                );
                Problem::new(unavailable_code, detail).retry_after(MISCONFIGURED_RETRY_AFTER)
            }
            Self::Problem(..) => Problem::internal(),
        }
    }

    /// The error with its causes, for the log.
    pub fn chain(&self) -> String {
        format_chain(self)
    }
}

fn unavailable(code: Code, service: &str) -> Problem {
    Problem::new(code, format!("The service {service} does not respond. Try again in a moment."))
}
