//! Sends a request for each operation of each service as each caller, and compares the status with the policy.

use std::sync::Arc;

use common::{
    access::{AnonymousAccess, AuthenticatedUser, Principal, Rule, rule_of},
    api::{
        Problem,
        keys::{KeySecret, Scope},
    },
    config::Caller,
};
use reqwest::RequestBuilder;
use tests::{
    Platform, Stack,
    platform::{Instance, OPERATOR_TOKEN},
};

use super::super::openapi::{Operation, all_documents, operations};

const ID: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// The sender of a request, and its credentials.
#[derive(Debug)]
enum Sender {
    /// Without credentials.
    Nobody,
    /// With a key that does not exist.
    UnknownKey(KeySecret),
    Operator,
    /// With a key that has one scope.
    User(Scope, KeySecret),
    /// With the token that this service sends to the server.
    Service(Caller),
}

impl Sender {
    async fn all(platform: &Platform) -> Vec<Self> {
        let mut senders = vec![Self::Nobody, Self::UnknownKey(KeySecret::generate()), Self::Operator];
        let user = platform.create_user("everybody@example.org").await;
        for scope in Scope::ALL {
            senders.push(Self::User(scope, platform.issue_key(user.id, &[scope]).await.key));
        }
        senders.extend(Caller::ALL.map(Self::Service));
        senders
    }

    fn add_credentials(&self, platform: &Platform, server: &Instance, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Nobody => request,
            Self::UnknownKey(key) | Self::User(_, key) => request.bearer_auth(key.expose()),
            Self::Operator => request.bearer_auth(OPERATOR_TOKEN),
            Self::Service(caller) => request.bearer_auth(platform.token_of(*caller, server.name)),
        }
    }

    /// The expected status of a refusal. `None` if the policy permits the request.
    fn refusal(&self, rule: Rule, anonymous: AnonymousAccess) -> Option<u16> {
        let principal = match (rule, self) {
            // The services of the test listen on loopback.
            (Rule::Public | Rule::PublicWithDetails | Rule::OperatorBeyondLoopback, _) => return None,
            (Rule::Internal(permission), Self::Service(caller)) => {
                return (!permission.permits(*caller)).then_some(403);
            }
            (_, Self::UnknownKey(_) | Self::Service(_)) => return Some(401),
            (_, Self::Nobody) => Principal::Anonymous,
            (_, Self::Operator) => Principal::Operator,
            (_, Self::User(scope, _)) => Principal::User(Arc::new(AuthenticatedUser {
                user_id: ID.parse().unwrap(),
                key_id: ID.parse().unwrap(),
                scopes: [*scope].into_iter().collect(),
                rate_limit_per_minute: None,
            })),
        };
        rule.check(&principal, anonymous).err().map(|denied| Problem::from(denied).code.status().as_u16())
    }
}

/// A request for an operation. It may be invalid: access is decided before its fields are checked.
fn request_for(platform: &Platform, server: &Instance, operation: &Operation<'_>) -> RequestBuilder {
    let segments = operation.path.split('/').map(|segment| if segment.starts_with('{') { ID } else { segment });
    let url = server.url(&segments.collect::<Vec<_>>().join("/"));
    let request = platform.client.request(&operation.method.to_uppercase(), url);
    if operation.value.get("requestBody").is_some() {
        request.header("content-type", "application/json").body("{}")
    } else {
        request
    }
}

async fn assert_policy_is_applied(anonymous: AnonymousAccess, setting: &str) {
    let platform = Platform::builder(Stack::Embedded).with_own_tokens().set("ANONYMOUS", setting).start().await;
    platform.start_other_services().await;
    let senders = Sender::all(&platform).await;
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for (service, document) in all_documents() {
        let server = platform.all_services().into_iter().find(|instance| instance.name == service).unwrap();
        for operation in operations(&document) {
            let rule = rule_of(service, operation.id()).unwrap();
            for sender in &senders {
                let request = request_for(&platform, server, &operation);
                let request = sender.add_credentials(&platform, server, request);
                // The body is not read, because the body of a stream has no end.
                let status = request.send().await.unwrap().status().as_u16();
                let actual = matches!(status, 401 | 403).then_some(status);
                refused += usize::from(actual.is_some());
                let expected = sender.refusal(rule, anonymous);
                if actual != expected {
                    let id = operation.id();
                    wrong.push(format!("{service} {id} as {sender:?}: {status}, expected refusal: {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 100, "only {refused} requests were refused");
}

#[tokio::test]
async fn each_operation_permits_exactly_the_callers_of_its_rule_with_anonymous_access() {
    assert_policy_is_applied(AnonymousAccess::On, "on").await;
}

#[tokio::test]
async fn each_operation_permits_exactly_the_callers_of_its_rule_without_anonymous_access() {
    assert_policy_is_applied(AnonymousAccess::Off, "off").await;
}
