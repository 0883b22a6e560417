//! Exports: files that are sent as streams. [`ExportSlots`] limits how many exports run at the same time.

mod slots;

use poem::{Body, IntoResponse, Response, http::header::CONTENT_DISPOSITION};
use poem_openapi::{
    ApiResponse, Enum,
    payload::{Binary, Payload},
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};

pub use self::slots::{ExportClient, ExportRefusal, ExportSlots};

/// The file format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase", rename = "Format")]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180). The first line contains the column names.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// The response of an export. Its stream closes early if the export fails.
///
/// [`ApiResponse`] is not derived, because a derived response has only one content type for each status.
pub struct ExportFile {
    pub format: ExportFormat,
    /// The name of the file, without its extension.
    pub name: &'static str,
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

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

impl IntoResponse for ExportFile {
    fn into_response(self) -> Response {
        let Self { format, name, body } = self;
        let file_name = format!("attachment; filename=\"{name}.{}\"", format.extension());
        Response::builder().content_type(format.content_type()).header(CONTENT_DISPOSITION, file_name).body(body)
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
            description: "The file. The connection closes early if the export fails.",
            status: Some(200),
            status_range: None,
            content: content.into(),
            headers: vec![file_name],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}
