//! The sender of a request: a client without a key, a user, or an operator.

use common::api::keys::{KeySecret, Scope};
use reqwest::RequestBuilder;
use serde_json::Value;
use tests::{
    Platform, Response,
    client::{all_pages, send},
    platform::{Instance, OPERATOR_TOKEN},
};

#[derive(Debug, Clone)]
pub(crate) enum Actor {
    Anonymous,
    User { id: String, key: KeySecret },
    Operator,
}

impl Actor {
    /// A new user with a key.
    pub(crate) async fn user(platform: &Platform, name: &str, scopes: &[Scope]) -> Self {
        let user = platform.create_user(&format!("{name}@example.org")).await;
        let key = platform.issue_key(user.id, scopes).await.key;
        Self::User { id: user.id.to_string(), key }
    }

    /// The `user_id` of the objects that this actor creates.
    pub(crate) fn user_id(&self) -> Value {
        match self {
            Self::User { id, .. } => id.as_str().into(),
            Self::Anonymous | Self::Operator => Value::Null,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Response {
        send(match self {
            Self::Anonymous => request,
            Self::User { key, .. } => request.bearer_auth(key.expose()),
            Self::Operator => request.bearer_auth(OPERATOR_TOKEN),
        })
        .await
    }

    pub(crate) async fn get(&self, platform: &Platform, service: &Instance, path: &str) -> Response {
        self.send(platform.client.request("GET", service.url(path))).await
    }

    /// Follows the links from `path` to the last page.
    pub(crate) async fn all_pages(&self, platform: &Platform, service: &Instance, path: &str) -> Vec<Value> {
        all_pages(path, async |path| self.get(platform, service, &path).await.json(200)).await
    }
}
