//! The query strings of requests for pages.

/// The query string with these parameters. Omits parameters without a value.
pub(super) fn query_string<const N: usize>(parameters: [(&'static str, Option<String>); N]) -> String {
    let present = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(present).finish()
}
