use std::collections::BTreeMap;

use poem::http::{StatusCode, header};

use super::*;
use crate::config::{Secret, ServerKey};

const SERVER: &str = "db-proxy";

fn internal_token() -> Secret {
    Secret::new("0123456789abcdef0123456789abcdef")
}

/// The callers that `checker` accepts, and the statuses of the errors for the other callers.
async fn accepted_callers<F: Future<Output = Result<Caller>>>(
    checker: impl Fn(Request, Bearer) -> F,
) -> (Vec<&'static str>, Vec<StatusCode>) {
    let key = ServerKey::derive(&internal_token(), SERVER);
    let (mut accepted, mut statuses) = (Vec::new(), Vec::new());
    for caller in Caller::ALL {
        let mut request = Request::builder().header(header::HOST, "localhost").finish();
        request.set_data(AcceptedCallers::of_key(&key));
        match checker(request, Bearer { token: key.token(caller).expose().to_owned() }).await {
            Ok(found) if found == caller => accepted.push(caller.as_str()),
            Ok(found) => panic!("{caller:?} was identified as {found:?}"),
            Err(error) => statuses.push(error.status()),
        }
    }
    (accepted, statuses)
}

#[tokio::test]
async fn each_permission_belongs_to_its_callers_and_to_operators() {
    macro_rules! callers_of {
        ($checker:ident) => {
            accepted_callers(|request, bearer| async move { $checker(&request, bearer).await }).await
        };
    }
    let found = BTreeMap::from([
        ("OrderWriter", callers_of!(check_order_writer)),
        ("HistoryReader", callers_of!(check_history_reader)),
        ("PriceWriter", callers_of!(check_price_writer)),
        ("PriceReader", callers_of!(check_price_reader)),
        ("UserAdmin", callers_of!(check_user_admin)),
        ("WalletWriter", callers_of!(check_wallet_writer)),
        ("KeyReader", callers_of!(check_key_reader)),
        ("Operator", callers_of!(check_operator)),
    ]);
    let expected: [(&str, &[&str]); 8] = [
        ("OrderWriter", &["create-order", "operator"]),
        ("HistoryReader", &["create-order", "fetch-orders", "rates", "operator"]),
        ("PriceWriter", &["price-updater", "operator"]),
        ("PriceReader", &["create-order", "rates", "price-updater", "operator"]),
        ("UserAdmin", &["users", "operator"]),
        ("WalletWriter", &["wallets", "operator"]),
        ("KeyReader", &["create-order", "fetch-orders", "users", "wallets", "operator"]),
        ("Operator", &["operator"]),
    ];
    for (permission, callers) in expected {
        let (accepted, statuses) = &found[permission];
        assert_eq!(accepted, callers, "{permission}");
        assert!(statuses.iter().all(|status| *status == StatusCode::FORBIDDEN), "{permission}: {statuses:?}");
    }
    assert_eq!(callers_of!(check_reporter).0.len(), Caller::ALL.len());
}

#[tokio::test]
async fn invalid_token_is_unauthorized() {
    let status = async |accepted: Option<AcceptedCallers>, token: &str| {
        let mut request = Request::builder().finish();
        if let Some(accepted) = accepted {
            request.set_data(accepted);
        }
        check_order_writer(&request, Bearer { token: token.to_owned() }).await.map_err(|error| error.status())
    };
    let accepted = Some(AcceptedCallers::of_internal_token(internal_token(), SERVER));
    assert_eq!(status(accepted.clone(), internal_token().expose()).await, Ok(Caller::OPERATOR));
    assert_eq!(status(accepted, "create-order.00").await, Err(StatusCode::UNAUTHORIZED));
    // A server without accepted callers rejects every token.
    assert_eq!(status(None, internal_token().expose()).await, Err(StatusCode::UNAUTHORIZED));
}
