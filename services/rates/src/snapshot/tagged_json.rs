//! Response bodies that are serialized once and sent to many clients.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use poem::http::HeaderValue;
use serde::Serialize;

/// A JSON body with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct TaggedJson {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl TaggedJson {
    pub(super) fn new(value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(value).expect("the serialization of a snapshot cannot fail");
        body.push(b'\n');
        // The tag depends only on the body, so that all instances of the service send the same tag for the same body.
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag =
            HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).expect("quoted hex digits are valid");
        Self { body: body.into(), etag }
    }
}
