//! The names and values of a query or a form (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{api::FieldError, text::describe_refused};

/// The decoded name of a parameter in a query. A name that is not UTF-8 is returned as it was sent.
pub(super) fn name_of_pair(pair: &str) -> Cow<'_, str> {
    let sent = pair.split('=').next().unwrap_or_default();
    if percent_decode_str(sent).decode_utf8().is_err() {
        return sent.into();
    }
    url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(|| sent.into(), |(name, _)| name)
}

/// One error for each value that is not UTF-8.
pub(super) fn values_not_utf8(query: &str) -> impl Iterator<Item = FieldError> {
    query.split('&').filter_map(|pair| {
        let (_, value) = pair.split_once('=')?;
        percent_decode_str(value).decode_utf8().is_err().then_some(())?;
        Some(FieldError::new(name_of_pair(pair), describe_refused("must be text in UTF-8", value)))
    })
}
