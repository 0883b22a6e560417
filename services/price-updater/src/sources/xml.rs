//! Just enough XML for tables of rates: elements with attributes and text, namespaces ignored, no entities of its own.

use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::SourceError;

/// The most elements that are looked at; a table of rates has some 300.
const MAX_ELEMENTS: usize = 10_000;

/// One piece of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Open { name: String, attributes: BTreeMap<String, String> },
    Text(String),
    Close { name: String },
}

/// A whole document, piece by piece. One that breaks off is an error, however much of it was there.
pub(super) fn pieces(document: &str) -> Result<Vec<Piece>, SourceError> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().trim_text(true);
    let (mut all, mut depth) = (Vec::new(), 0_usize);
    loop {
        if all.len() > 4 * MAX_ELEMENTS {
            return Err(SourceError::invalid_response("it has too many elements"));
        }
        match reader.read_event().map_err(SourceError::invalid_response)? {
            Event::Start(start) => {
                depth += 1;
                all.push(open(&start)?);
            }
            Event::Empty(start) => {
                let name = name(start.local_name().as_ref());
                all.extend([open(&start)?, Piece::Close { name }]);
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                all.push(Piece::Close { name: name(end.local_name().as_ref()) });
            }
            Event::Text(text) => {
                all.push(Piece::Text(text.unescape().map_err(SourceError::invalid_response)?.into_owned()));
            }
            Event::Eof if depth > 0 => return Err(SourceError::invalid_response("it breaks off")),
            Event::Eof => return Ok(all),
            _ => {}
        }
    }
}

fn open(start: &BytesStart<'_>) -> Result<Piece, SourceError> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(SourceError::invalid_response)?;
        let value = attribute.unescape_value().map_err(SourceError::invalid_response)?;
        attributes.insert(name(attribute.key.local_name().as_ref()), value.into_owned());
    }
    Ok(Piece::Open { name: name(start.local_name().as_ref()), attributes })
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
