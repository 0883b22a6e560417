//! Responses to requests that had no effect, because they could not be sent to db-proxy, or because db-proxy refused them.

use super::*;

/// The subcode `no_effect` states that this request placed no order. The code is `outcome_unknown`, because an earlier
/// request with the same key possibly placed the order.
#[tokio::test(start_paused = true)]
async fn request_with_subcode_no_effect_placed_no_order() {
    let (mut create_orders, mut checked) = (CreateOrders::default(), 0);
    for key in KeyState::ALL {
        let is_placed_before = matches!(key, KeyState::PlacedBefore | KeyState::PlacedForOtherOrder);
        for local in LocalFault::ALL {
            for remote in RemoteFault::all() {
                for form in Form::ALL {
                    let case = Case { key, local, remote, form };
                    let observed = create_orders.observe(case).await;
                    if observed.body["subcode"] != "no_effect" {
                        continue;
                    }
                    checked += 1;
                    let context = format!("{case:?}: {} {}", observed.status, observed.body);
                    assert_eq!(observed.code(), "outcome_unknown", "{context}");
                    assert!(!observed.is_stored || is_placed_before, "{context}");
                    assert!(!observed.is_indeterminate, "{context}");
                }
            }
        }
    }
    assert!(checked > 0);
}

/// If db-proxy refuses the token of create-order, the response does not mention the token. It states that the request
/// had no effect, or that the operator must act.
#[tokio::test(start_paused = true)]
async fn refused_token_is_reported_without_details() {
    let remote = RemoteFault::Problem(Code::Unauthorized);
    let mut create_orders = CreateOrders::default();
    for (key, expected, subcode) in [
        (KeyState::Generated, "until the operator has corrected the settings", Value::Null),
        (KeyState::Unused, "This request had no effect", "no_effect".into()),
    ] {
        let case = Case { key, local: LocalFault::None, remote, form: Form::Versioned };
        let observed = create_orders.observe(case).await;
        let detail = observed.body["detail"].as_str().unwrap();
        assert!(detail.contains(expected) && !detail.to_lowercase().contains("token"), "{detail}");
        assert_eq!(observed.body["subcode"], subcode);
        assert!(!observed.is_stored && !observed.is_indeterminate);
    }
}
