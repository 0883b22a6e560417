use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn shortcut_for_ascii_local_parts_equals_normalization(local in r"[ -~]{1,64}") {
        prop_assert_eq!(comparable_local_part(&local), normalize(&local));
    }
}

/// The comparison key is stored, so it must never change.
#[test]
fn comparison_key_is_the_lower_case_of_an_ascii_address() {
    for address in ["Ada.O'Neil+Shop@Example.ORG", "GENERATED000000001@seed.example", "\"A@b\"@Example.org"] {
        let email: Email = address.parse().unwrap();
        assert_eq!(email.comparison_key(), address.to_ascii_lowercase());
    }
}
