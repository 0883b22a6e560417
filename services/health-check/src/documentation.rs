//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str =
    "Shows the state of every service, keeps the reports that services send, and notifies operators of alerts.";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Operations);
    let report = json!({ "level": "warning", "service": "rates", "status": "a source does not respond", "data": {} });
    let silence = json!({
        "service": "db-proxy", "for_secs": 3600, "created_by": "ada@example.org", "reason": "PostgreSQL is upgraded",
    });
    vec![
        operation("report").body(report),
        operation("health").errors(&[Code::Unauthorized]),
        operation("reports").errors(&[Code::Unauthorized]).parameter("level", "warning").parameter("limit", 50),
        operation("report_groups").errors(&[Code::Unauthorized]).parameter("level", "warning").parameter("limit", 50),
        operation("health_history").errors(&[Code::Unauthorized]).parameter("limit", 50),
        operation("alerts").errors(&[Code::Unauthorized]),
        operation("silences").errors(&[Code::Unauthorized]),
        operation("add_silence").errors(&[Code::Unauthorized]).body(silence),
        operation("remove_silence")
            .errors(&[Code::Unauthorized, Code::NotFound])
            .parameter("id", "0190a6e2-7c1b-4c3a-9d5e-0123456789ab"),
        operation("status_page"),
        operation("sign_in").errors(&[Code::Unauthorized]),
    ]
}
