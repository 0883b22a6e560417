//! The failures of rates, and the only place where they become statuses.

use common::{
    api::{Code, FieldError, Problem},
    clients::CallError,
    money::CurrencyPair,
};

use crate::{conversion::ConvertError, current_price::PriceError};

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there are no courses yet")]
    NoCourses,
    #[error("a field has a value that is not allowed")]
    Fields(Vec<FieldError>),
    #[error(transparent)]
    PriceError(#[from] PriceError),
    #[error(transparent)]
    Convert(#[from] ConvertError),
    #[error("every place at the stream is taken")]
    StreamsFull,
    #[error("there is nothing to be drawn of {0}")]
    UnknownPair(CurrencyPair),
    #[error("too many charts are being drawn")]
    ChartsBusy,
    #[error("a chart cannot be drawn: {0}")]
    Drawing(String),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoCourses => Self::new(
                Code::PriceUnavailable,
                "No exchange has told a course yet, or none within the hour; try again in a moment.",
            ),
            Error::Fields(errors) | Error::Convert(ConvertError::Fields(errors)) => Self::validation(errors),
            Error::PriceError(no_price) | Error::Convert(ConvertError::PriceError(no_price)) => {
                let code = match no_price {
                    PriceError::Unknown(_) | PriceError::NotAgreed(_) => Code::NotFound,
                    PriceError::NoSnapshot | PriceError::Refused(..) | PriceError::TooOld(..) => Code::PriceUnavailable,
                };
                Self::new(code, sentence(&no_price.to_string()))
            }
            Error::Convert(error @ ConvertError::NoPath(..)) => Self::new(Code::NotFound, sentence(&error.to_string())),
            Error::StreamsFull => Self::new(Code::Overloaded, "Too many read the stream already; try again later."),
            Error::UnknownPair(direction) => Self::new(Code::NotFound, format!("Nobody tells of {direction}.")),
            Error::ChartsBusy => Self::new(Code::Overloaded, "Too many charts are being drawn; try again in a moment."),
            Error::Drawing(error) => {
                tracing::error!(error, "a chart cannot be drawn");
                Self::internal()
            }
            // Its word on a field is true of ours, which has the same name.
            Error::Call(CallError::Problem(_, problem)) if problem.code == Code::ValidationFailed => *problem,
            Error::Call(error) => {
                tracing::warn!(error = %error.chain(), "courses could not be read");
                error.to_problem(Code::UpstreamUnavailable)
            }
        }
    }
}

/// An error's message as a sentence of its own.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
