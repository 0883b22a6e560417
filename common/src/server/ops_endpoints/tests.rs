use poem::Endpoint as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    api::keys::KeySecret,
    clients::{ServiceClient, http_client},
    config::{Secret, ServerKey, ServiceUrls},
    server::{CountedRequests, Server},
};

const NAME: &str = "db-proxy";

fn endpoint_with(internal_token: &'static str) -> BoxEndpoint<'static> {
    let ops = OpsEndpoints {
        service: NAME,
        description: ApiDescription { about: "", counted: CountedRequests::None, operations: Vec::new() },
        metrics: Metrics::new(NAME),
        ready: Arc::new(|| Box::pin(async { Vec::new() })),
        accepted_callers: Some(AcceptedCallers::of_internal_token(Secret::new(internal_token), NAME)),
        access: None,
        rate_limit: RateLimit::default(),
        value_check: None,
    };
    service_endpoint((), ops)
}

/// After a rotation of `INTERNAL_TOKEN`, some services send the old token, or a token that was derived from it.
#[tokio::test]
async fn service_is_not_ready_for_a_caller_whose_token_it_refuses() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls: ServiceUrls = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
    let server = Server::new(socket, endpoint_with("the-new-token"));
    tokio::spawn(server.run_until(CancellationToken::new()));
    let component_with =
        async |token: Secret| ServiceClient::new(http_client(), NAME, urls.clone(), token).readiness_component().await;
    let derived = |from| ServerKey::derive(&Secret::new(from), NAME).token(Caller::CREATE_ORDER);
    for valid in [Secret::new("the-new-token"), derived("the-new-token")] {
        assert_eq!(component_with(valid).await, Component::ready(NAME));
    }
    for (old, caller) in
        [(Secret::new("the-old-token"), "the calling service"), (derived("the-old-token"), "create-order")]
    {
        let component = component_with(old).await;
        let detail = format!("token: db-proxy refuses the token of {caller}: {}", TokenRefusal::Unknown);
        assert_eq!(component, Component::not_ready(NAME, detail));
    }
}

/// A service of the previous release does not send the header `SERVICE_CALL_HEADER`. Only the name in its token shows
/// that it is a service.
#[tokio::test]
async fn credentials_of_users_and_operators_do_not_affect_the_readiness() {
    let endpoint = endpoint_with("the-new-token");
    let old = ServerKey::derive(&Secret::new("the-old-token"), NAME).token(Caller::CREATE_ORDER);
    let key = KeySecret::generate();
    for (token, status) in [("an-operator-token", 200), (key.expose(), 200), (old.expose(), 503)] {
        let request = Request::builder().uri_str("/readyz").header(AUTHORIZATION, format!("Bearer {token}")).finish();
        assert_eq!(endpoint.get_response(request).await.status().as_u16(), status, "{token}");
    }
    let without_token = Request::builder().uri_str("/readyz").header(Readiness::SERVICE_CALL_HEADER, "1").finish();
    assert_eq!(endpoint.get_response(without_token).await.status().as_u16(), 200);
}
