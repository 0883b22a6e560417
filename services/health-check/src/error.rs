//! The errors of health-check. Only this module converts them to HTTP statuses.

use common::{
    api::{Code, FieldError, Problem, reports::MAX_REPORT_DATA},
    text::shown_value,
};

use crate::registry::{MAX_INSTANCES, MAX_SERVICES, RegistryError};

/// Why a request was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// 422, with every invalid field.
    #[error("the request has invalid fields")]
    Invalid(Vec<FieldError>),
    /// 401: the caller is not an operator.
    #[error("only operators may do this")]
    OperatorsOnly,
    /// 401: the request has credentials, and they are not the token of operators.
    #[error("the credentials are not the token of operators")]
    WrongToken,
    /// 401: the browser has not sent the token of operators, or has sent a wrong one.
    #[error("the password of the operator is needed")]
    PasswordNeeded,
    /// 413: the data exceeds [`MAX_REPORT_DATA`].
    #[error("the data of the report is too large")]
    DataTooLarge,
    /// 404: no silence has this id, or the silence has ended.
    #[error("there is no such silence")]
    UnknownSilence(String),
    /// 422: the maximum number of services or instances is reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Error {
    /// The names of the fields of [`Error::Invalid`]. Empty for other errors.
    pub(crate) fn fields(&self) -> Vec<&str> {
        match self {
            Self::Invalid(errors) => errors.iter().map(|error| error.field.as_str()).collect(),
            Self::DataTooLarge
            | Self::Registry(_)
            | Self::OperatorsOnly
            | Self::WrongToken
            | Self::PasswordNeeded
            | Self::UnknownSilence(_) => Vec::new(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::OperatorsOnly => Self::new(
                Code::Unauthorized,
                "Only operators may do this. Send OPERATOR_TOKEN as Authorization: Bearer TOKEN.",
            ),
            Error::WrongToken => Self::new(
                Code::Unauthorized,
                "The credentials are not the operator token of this platform. Send OPERATOR_TOKEN as Authorization: Bearer TOKEN.",
            ),
            Error::UnknownSilence(id) => Self::new(
                Code::NotFound,
                format!("There is no silence with the id {}, or it has ended.", shown_value(&id)),
            ),
            Error::PasswordNeeded => {
                Self::new(Code::Unauthorized, "Sign in with any name, and with OPERATOR_TOKEN as the password.")
            }
            Error::DataTooLarge => {
                let detail = format!(
                    "The data of the report is too large. At most {MAX_REPORT_DATA} bytes of JSON are allowed."
                );
                Self::new(Code::PayloadTooLarge, detail)
            }
            Error::Registry(RegistryError::TooManyServices) => Self::validation(vec![FieldError::new(
                "service",
                format!("must be a known service, because the limit of {MAX_SERVICES} services is reached"),
            )]),
            Error::Registry(RegistryError::TooManyInstances) => Self::validation(vec![FieldError::new(
                "data.instance",
                format!("must be a known instance, because the limit of {MAX_INSTANCES} instances is reached"),
            )]),
        }
    }
}
