//! The messages of OTLP: <https://opentelemetry.io/docs/specs/otlp/>.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message;

use crate::reporting::instance_name;

/// The configurable attributes of the OTLP resources. Each service is one resource.
pub(super) struct ResourceConfig {
    /// If present, replaces the name of every service.
    pub(super) service_name: Option<String>,
}

impl ResourceConfig {
    fn of_service(&self, service: &str) -> Resource {
        let attributes = [
            ("service.name", self.service_name.as_deref().unwrap_or(service)),
            ("service.instance.id", instance_name()),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.name", "opentelemetry"),
        ];
        Resource { attributes: attributes.into_iter().map(attribute).collect(), ..Resource::default() }
    }
}

fn attribute((key, value): (&str, &str)) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// The body of a request with these spans. The instrumentation scope of each span has the name of its service.
pub(super) fn encode(spans: Vec<SpanData>, resources: &ResourceConfig) -> Vec<u8> {
    let mut spans_by_service: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans {
        let service = span.instrumentation_scope.name().to_owned();
        spans_by_service.entry(service).or_default().push(span.into());
    }
    let resource_spans = spans_by_service.into_iter().map(|(service, spans)| ResourceSpans {
        resource: Some(resources.of_service(&service)),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: service, ..InstrumentationScope::default() }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
}

/// The number of spans that the collector rejected, as stated in its response. 0 if the response cannot be parsed.
pub(super) fn rejected_spans(response: &[u8]) -> u64 {
    let response = ExportTraceServiceResponse::decode(response).unwrap_or_default();
    response.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

#[cfg(test)]
mod tests;
