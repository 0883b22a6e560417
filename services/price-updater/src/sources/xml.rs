//! A minimal XML parser for documents of rates. It ignores namespaces and rejects custom entities.

use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::SourceError;

/// Maximum number of events in a document. A document of rates has a few hundred elements, each with a start, an end,
/// and at most one text.
const MAX_EVENTS: usize = 40_000;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum XmlEvent {
    Start { name: String, attributes: BTreeMap<String, String> },
    Text(String),
    End { name: String },
}

/// Parses a whole document. Returns an error if it is truncated.
pub(super) fn parse_events(document: &str) -> Result<Vec<XmlEvent>, SourceError> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().trim_text(true);
    let (mut events, mut depth) = (Vec::new(), 0_usize);
    loop {
        if events.len() > MAX_EVENTS {
            return Err(SourceError::invalid_response(format_args!("more than {MAX_EVENTS} XML events")));
        }
        match reader.read_event().map_err(SourceError::invalid_response)? {
            Event::Start(start) => {
                depth += 1;
                events.push(start_event(&start)?);
            }
            Event::Empty(start) => {
                let name = utf8(start.local_name().as_ref());
                events.extend([start_event(&start)?, XmlEvent::End { name }]);
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                events.push(XmlEvent::End { name: utf8(end.local_name().as_ref()) });
            }
            Event::Text(text) => {
                events.push(XmlEvent::Text(text.unescape().map_err(SourceError::invalid_response)?.into_owned()));
            }
            Event::Eof if depth > 0 => return Err(SourceError::invalid_response("the document is truncated")),
            Event::Eof => return Ok(events),
            _ => {}
        }
    }
}

fn start_event(start: &BytesStart<'_>) -> Result<XmlEvent, SourceError> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(SourceError::invalid_response)?;
        let value = attribute.unescape_value().map_err(SourceError::invalid_response)?;
        attributes.insert(utf8(attribute.key.local_name().as_ref()), value.into_owned());
    }
    Ok(XmlEvent::Start { name: utf8(start.local_name().as_ref()), attributes })
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
