//! What can go wrong here, and which status that is.

use common::api::{Code, FieldError, Problem, reports::MAX_REPORT_DATA};

use crate::registry::{MAX_INSTANCES, MAX_SERVICES, RegistryError};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("the report has a field that is not allowed")]
    Invalid(Vec<FieldError>),
    #[error("the data of the report is too large")]
    DataTooLarge,
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::DataTooLarge => {
                let detail = format!("The data of a report may have at most {MAX_REPORT_DATA} bytes as JSON.");
                Self::new(Code::PayloadTooLarge, detail)
            }
            Error::Registry(RegistryError::TooManyServices) => Self::validation(vec![FieldError::new(
                "service",
                format!("must be one that is known already, for {MAX_SERVICES} are, and that is the limit"),
            )]),
            Error::Registry(RegistryError::TooManyInstances) => Self::validation(vec![FieldError::new(
                "data.instance",
                format!("must be one that is known already, for {MAX_INSTANCES} call, and that is the limit"),
            )]),
        }
    }
}
