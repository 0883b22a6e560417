//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str = "Shows the state of every service and keeps the reports that services send.";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::None, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Operations);
    let report = json!({ "level": "warning", "service": "rates", "status": "a source does not respond", "data": {} });
    vec![
        operation("report").body(report),
        operation("health"),
        operation("reports").errors(&[Code::Unauthorized]).parameter("level", "warning").parameter("limit", 50),
        operation("status_page"),
        operation("sign_in").errors(&[Code::Unauthorized]),
    ]
}
