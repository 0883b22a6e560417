//! The response of an export.

use poem::{Body, IntoResponse, Response, http::header::CONTENT_DISPOSITION};
use poem_openapi::{
    ApiResponse,
    payload::{Binary, Payload},
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};

use crate::export::ExportFormat;

/// A file of orders. Its stream closes early if the export fails.
///
/// Implemented by hand, because a derived response has one content type for each status.
pub struct ExportFile {
    pub format: ExportFormat,
    pub body: Body,
}

impl ExportFormat {
    const ALL: [Self; 2] = [Self::Csv, Self::Jsonl];

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Jsonl => "application/jsonl",
        }
    }

    /// Makes a browser save the file under this name.
    fn content_disposition(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"orders.csv\"",
            Self::Jsonl => "attachment; filename=\"orders.jsonl\"",
        }
    }
}

impl IntoResponse for ExportFile {
    fn into_response(self) -> Response {
        Response::builder()
            .content_type(self.format.content_type())
            .header(CONTENT_DISPOSITION, self.format.content_disposition())
            .body(self.body)
    }
}

impl ApiResponse for ExportFile {
    fn meta() -> MetaResponses {
        let content = ExportFormat::ALL.map(|format| MetaMediaType {
            content_type: format.content_type(),
            schema: <Binary<Body> as Payload>::schema_ref(),
        });
        let file_name = MetaHeader {
            name: "Content-Disposition".to_owned(),
            description: Some("The name of the file.".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let response = MetaResponse {
            description: "A file of orders. The connection closes early if the export fails.",
            status: Some(200),
            status_range: None,
            content: content.into(),
            headers: vec![file_name],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}
