//! The descriptions of the operations for the OpenAPI document.

use common::{
    api::Code,
    server::{ApiDescription, CountedRequests, Group, OperationDescription},
};
use serde_json::json;

const ABOUT: &str = "The customer directory: users and their API keys. Operators manage users. A user may read itself and \
    list its own keys, with a key in the header `Authorization: Bearer KEY`. A request for another user is answered as if that \
    user did not exist. E-mail addresses are compared without regard to case, also of letters outside ASCII, and an \
    internationalized domain equals its ASCII form. Requests are limited for each IP address or key. A request that fails counts too, except with 429. \
    Requests for the documentation, /livez, /readyz and /metrics do not count. Requests of operators are not limited. The \
    headers RateLimit-Limit and RateLimit-Remaining show the state of the limit. RateLimit-Reset is the number of seconds \
    until the next request is allowed.";

/// Errors that every operation can return, because db-proxy executes it.
const DIRECTORY: &[Code] = &[Code::DatabaseUnavailable, Code::UpstreamUnavailable, Code::ShuttingDown];

/// Errors of the changes, in addition to [`DIRECTORY`].
const CHANGING: &[Code] = &[Code::OutcomeUnknown];

const USER_ID: &str = "019b7d5a-1f00-7000-8000-000000000003";
const KEY_ID: &str = "019b7d5a-1f00-7000-8000-000000000004";

pub(crate) fn description() -> ApiDescription {
    ApiDescription { about: ABOUT, counted: CountedRequests::All, operations: operations() }
}

fn operations() -> Vec<OperationDescription> {
    let operation = |id| OperationDescription::new(id, Group::Users).errors(DIRECTORY);
    let of_user = |id| operation(id).errors(&[Code::NotFound]).parameter("id", USER_ID);
    let key = json!({ "name": "shop", "scopes": ["orders", "read"], "rate_limit_per_minute": 600 });
    vec![
        operation("create_user")
            .errors(CHANGING)
            .errors(&[Code::EmailTaken])
            .body(json!({ "email": "grace@example.org", "name": "Grace" })),
        operation("list_users").parameter("limit", 50),
        of_user("get_user"),
        of_user("find_user"),
        of_user("update_user").errors(CHANGING).errors(&[Code::EmailTaken]).body(json!({ "name": "Grace Hopper" })),
        of_user("deactivate_user").errors(CHANGING),
        of_user("activate_user").errors(CHANGING),
        of_user("create_key").errors(CHANGING).errors(&[Code::KeyLimitExceeded]).body(key),
        of_user("list_keys"),
        of_user("update_key")
            .errors(CHANGING)
            .errors(&[Code::KeyRevoked])
            .parameter("key_id", KEY_ID)
            .body(json!({ "rate_limit_per_minute": 1200 })),
        of_user("revoke_key").errors(CHANGING).parameter("key_id", KEY_ID),
    ]
}
