use uuid::Uuid;

use super::*;
use crate::ids::{UserId, WalletId};

fn problem(code: Code) -> CallError {
    CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem::new(code, "the detail")))
}

#[test]
fn endpoint_that_an_older_release_does_not_have_is_unavailable() {
    let error = unavailable_if_older(problem(Code::NotFound));
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::UpstreamUnavailable), "{error:?}");
}

#[test]
fn error_other_than_not_found_is_not_changed() {
    let error = unavailable_if_older(problem(Code::Overloaded));
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::Overloaded), "{error:?}");
    let error = unavailable_if_older(CallError::InvalidResponse(DbProxyClient::SERVICE, "cut".to_owned()));
    assert!(matches!(&error, CallError::InvalidResponse(_, reason) if reason == "cut"), "{error:?}");
}

/// A db-proxy of an older release has no endpoint with the newer path, so it refuses the request.
#[test]
fn db_proxy_of_an_older_release_does_not_receive_fields_that_it_would_ignore() {
    let plain: PlaceOrderCommand = serde_json::from_str(r#"{"client":"anonymous","key":"a"}"#).unwrap();
    let of_user = PlaceOrderCommand { user_id: Some(UserId(Uuid::nil())), ..plain.clone() };
    let paid = PlaceOrderCommand { wallet_id: Some(WalletId(Uuid::nil())), ..plain.clone() };
    let path = |orders: &[&PlaceOrderCommand]| {
        place_path(&PlaceOrderCommands { orders: orders.iter().copied().cloned().collect() })
    };
    assert_eq!(path(&[&plain]), "/orders");
    assert_eq!(path(&[&plain, &of_user]), "/v2/orders");
    assert_eq!(path(&[&paid, &of_user, &plain]), "/v3/orders");
}
