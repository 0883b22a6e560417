//! The header `traceparent`: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The length of a value of version 00.
const LENGTH: usize = 55;
/// The defined flags: the trace is sampled, and the trace id is random.
const KNOWN_FLAGS: u8 = 0b11;

/// `None` if the value is malformed. Further fields in a value of a later version are ignored.
pub(super) fn parse(text: &str, state: TraceState) -> Option<SpanContext> {
    let is_separated = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    let is_complete = text.len() == LENGTH || (is_separated(LENGTH) && !text.starts_with("00"));
    if !is_complete || !text.is_ascii() || ![2, 35, 52].into_iter().all(is_separated) {
        return None;
    }
    let version = hexadecimal(&text[..2]).filter(|version| *version != "ff")?;
    let trace_id = TraceId::from_hex(hexadecimal(&text[3..35])?).ok()?;
    let span_id = SpanId::from_hex(hexadecimal(&text[36..52])?).ok()?;
    let flags = u8::from_str_radix(hexadecimal(&text[53..55])?, 16).ok()?;
    let known = if version == "00" { KNOWN_FLAGS } else { TraceFlags::SAMPLED.to_u8() };
    let span = SpanContext::new(trace_id, span_id, TraceFlags::new(flags & known), true, state);
    span.is_valid().then_some(span)
}

/// The text, if all its characters are hexadecimal digits in lower case.
fn hexadecimal(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)).then_some(text)
}

/// The value for calls from this span, in version 00.
pub(super) fn format(span: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

#[cfg(test)]
mod tests;
