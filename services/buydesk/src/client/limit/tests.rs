use serde_json::{Value, json};

use super::*;

fn described(change: impl FnOnce(&mut Value)) -> String {
    let mut limit = json!({
        "limit": "100", "source": "setting", "setting": "100", "bitcoin_amount": "12.5", "reserved": "0", "remaining": "87.5",
        "changes": [],
    });
    change(&mut limit);
    describe(&serde_json::from_value(limit).unwrap())
}

#[test]
fn limit_is_shown_with_its_source_and_what_remains() {
    assert_eq!(
        described(|_| {}),
        "The limit of all orders is 100 BTC (BTC_LIMIT; no operator has set the limit yet).\n\
         The sum of all orders is 12.5 BTC. 87.5 BTC are left."
    );
    let full = described(|limit| {
        (limit["limit"], limit["source"], limit["remaining"]) = ("12".into(), "operator".into(), "0".into());
        limit["reserved"] = "0.5".into();
        limit["changes"] = json!([
            { "changed_at": "2026-01-02T03:04:05Z", "changed_by": "ada", "old_limit": "100", "new_limit": "12" },
        ]);
    });
    for part in [
        "12 BTC (set by an operator; BTC_LIMIT=100 has no effect)",
        "open quotes reserve 0.5 BTC. Nothing is left: orders without an open quote are refused.",
        "2026-01-02 03:04:05 UTC",
        "ada",
    ] {
        assert!(full.contains(part), "{full}");
    }
}
