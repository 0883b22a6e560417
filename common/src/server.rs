//! The HTTP server of a service: listener, middleware, access, limits, bodies, and the operations endpoints. Failures
//! are converted to problem responses. hyper itself responds to a request with an invalid head.

mod access_control;
mod allowed_methods;
mod body;
mod common_paths;
mod compression;
mod connections;
mod documentation;
mod export;
mod http_metrics;
mod internal_caller;
pub mod limits;
mod listener;
mod middleware;
mod ops_endpoints;
mod preserialized;
mod query_parameters;
mod rate_limit;
mod request_guard;
mod request_key;
mod request_log;
mod request_span;
mod settings;
mod urlencoded;

pub use access_control::{AccessConfig, AccessControl};
pub use body::{Json, OptionalBody, UncheckedBody, parse_field, parse_form};
pub use connections::Server;
pub use documentation::{ApiDescription, Group, OperationDescription};
pub use export::{ExportClient, ExportFile, ExportFormat, ExportRefusal, ExportSlots};
pub use internal_caller::{
    HistoryReader, KeyReader, Operator, OrderWriter, PriceReader, PriceWriter, Reporter, UserAdmin, WalletWriter,
};
pub use listener::Listener;
pub use ops_endpoints::{
    OpsEndpoints, ReadinessCheck, openapi_document, service_endpoint, service_endpoint_with_forwarding,
    service_endpoint_with_imitation,
};
pub use preserialized::PreserializedJson;
pub use query_parameters::{CheckedValue, ParameterValue, ValueCheck};
pub use rate_limit::{CountedRequests, RateLimit, TrustedProxies, peer_address};
pub use request_key::RequestKey;
pub use request_log::ImitatedResponse;
pub use settings::{ServerConfig, required_descriptors};
