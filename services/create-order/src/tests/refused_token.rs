//! Responses while db-proxy refuses the token of create-order.

use super::*;

/// A refused token is a fault of the platform. Its clients learn that nothing was placed, and no detail of the fault.
#[tokio::test(start_paused = true)]
async fn refused_token_is_a_definite_answer_without_details() {
    let remote = RemoteFault::Problem(Code::Unauthorized);
    let mut create_orders = CreateOrders::default();
    for (key, expected) in [
        (KeyState::Generated, "until the operator has corrected the settings"),
        (KeyState::Unused, "This request had no effect"),
    ] {
        let case = Case { key, local: LocalFault::None, remote, form: Form::Versioned };
        let observed = create_orders.observe(case).await;
        let detail = observed.body["detail"].as_str().unwrap();
        assert!(detail.contains(expected) && !detail.to_lowercase().contains("token"), "{detail}");
        assert!(!observed.is_stored && !observed.is_indeterminate);
    }
}
