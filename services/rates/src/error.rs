//! The errors of rates. Only this module converts them to HTTP statuses.

use common::{
    api::{Code, FieldError, Problem},
    clients::CallError,
};

use crate::{
    conversion::ConversionError,
    current_price::PriceError,
    limits::{MAX_CONCURRENT_CHARTS, MAX_STREAM_READERS},
    snapshot::NoSnapshotError,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// 503: a snapshot arrives as soon as price-updater works.
    #[error(transparent)]
    NoSnapshot(#[from] NoSnapshotError),
    /// 422, with every invalid field.
    #[error("a field has a value that is not allowed")]
    InvalidFields(Vec<FieldError>),
    /// 404 if the pair never has a price, and 503 if its price is missing only temporarily.
    #[error(transparent)]
    NoPrice(#[from] PriceError),
    /// 422, 404 or 503, depending on the variant.
    #[error(transparent)]
    Conversion(#[from] ConversionError),
    /// 503: another client has to disconnect first.
    #[error("all {MAX_STREAM_READERS} streams are in use")]
    StreamsFull,
    /// 503: other charts were being drawn for the whole queue timeout.
    #[error("{MAX_CONCURRENT_CHARTS} charts are being drawn already")]
    ChartsBusy,
    /// 500: the drawing library failed.
    #[error("the chart cannot be drawn: {0}")]
    Drawing(String),
    /// 422 if db-proxy rejects a field. Otherwise 503 if the problem is temporary, and 500 if it is not.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSnapshot(NoSnapshotError) => Self::new(
                Code::PriceUnavailable,
                "No courses are available: this service has received none within the last hour. Try again in a few seconds.",
            ),
            Error::InvalidFields(errors) | Error::Conversion(ConversionError::InvalidFields(errors)) => {
                Self::validation(errors)
            }
            Error::NoPrice(error) | Error::Conversion(ConversionError::NoPrice(error)) => {
                let code = match error {
                    PriceError::UnknownPair(_) | PriceError::InvertedPair(..) | PriceError::NotAgreed(_) => {
                        Code::NotFound
                    }
                    PriceError::NotLoaded
                    | PriceError::NotReported(_)
                    | PriceError::Refused { .. }
                    | PriceError::Expired { .. } => Code::PriceUnavailable,
                };
                Self::new(code, to_sentence(&error.to_string()))
            }
            Error::Conversion(error @ ConversionError::NoPathNow { .. }) => {
                Self::new(Code::PriceUnavailable, to_sentence(&error.to_string()))
            }
            Error::Conversion(error @ ConversionError::NoPath { .. }) => {
                Self::new(Code::NotFound, to_sentence(&error.to_string()))
            }
            error @ Error::StreamsFull => {
                Self::new(Code::Overloaded, format!("{} Try again later.", to_sentence(&error.to_string())))
            }
            error @ Error::ChartsBusy => {
                Self::new(Code::Overloaded, format!("{} Try again in a few seconds.", to_sentence(&error.to_string())))
            }
            Error::Drawing(error) => {
                tracing::error!(error, "the chart cannot be drawn");
                Self::internal()
            }
            // db-proxy names the fields as this API does, so its field errors are valid for the client.
            Error::Call(CallError::Problem(_, problem)) if problem.code == Code::ValidationFailed => *problem,
            Error::Call(error) => {
                tracing::warn!(error = %error.chain(), "courses cannot be read from db-proxy");
                error.to_problem(Code::UpstreamUnavailable)
            }
        }
    }
}

/// Capitalizes a message and appends a full stop.
fn to_sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
