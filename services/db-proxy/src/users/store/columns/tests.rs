use super::*;

#[test]
fn scopes_have_one_text_form_and_unknown_scopes_are_ignored() {
    let scopes: Scopes = [Scope::Read, Scope::Orders].into_iter().collect();
    assert_eq!(scopes_to_text(&scopes), "orders,read");
    assert_eq!(scopes_from_text("orders,read"), scopes);
    assert_eq!(scopes_from_text("orders,later,read"), scopes);
    assert!(scopes_from_text("later").is_empty());
}

#[test]
fn states_have_one_text_form() {
    for state in [UserState::Active, UserState::Deactivated] {
        assert_eq!(state_from_text(state.as_str()).ok(), Some(state));
    }
    assert!(matches!(state_from_text("Active"), Err(DatabaseError::InvalidRow(_))));
}

#[test]
fn hash_has_32_bytes() {
    assert!(hash_of(&[7; 32]).is_ok());
    assert!(matches!(hash_of(&[7; 31]), Err(DatabaseError::InvalidRow(_))));
}
