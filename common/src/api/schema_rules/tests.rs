use super::*;

#[test]
fn rules_are_added_to_the_schemas_of_the_document() {
    let mut document = json!({ "components": { "schemas": {
        "OrderPayload": { "properties": { "amount": { "description": "kept" }, "quote": {} } },
        "Other": { "type": "object" },
    } } });
    add_to(&mut document);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["OrderPayload"]["additionalProperties"], false);
    assert_eq!(schemas["OrderPayload"]["anyOf"][2]["required"], json!(["quote"]));
    assert_eq!(schemas["OrderPayload"]["properties"]["quote"]["nullable"], true);
    assert_eq!(schemas["OrderPayload"]["properties"]["amount"]["description"], "kept");
    assert_eq!(schemas["OrderPayload"]["properties"]["amount"]["oneOf"][0]["pattern"], AMOUNT_PATTERN);
    assert_eq!(schemas["Other"], json!({ "type": "object" }));
    assert_eq!(schemas["QuoteRequest"], Value::Null);
}

#[test]
fn document_without_schemas_is_unchanged() {
    let mut document = json!({ "openapi": "3.0.0" });
    add_to(&mut document);
    assert_eq!(document, json!({ "openapi": "3.0.0" }));
}

#[test]
fn schemas_of_user_requests_have_required_properties_and_formats() {
    let mut document = json!({ "components": { "schemas": {
        "NewUser": { "properties": { "email": { "description": "kept" }, "name": { "description": "kept" } } },
        "ChangeUser": { "properties": { "email": {}, "name": {} } },
        "User": { "properties": { "email": { "format": "email", "pattern": "^.+$", "description": "not taken" }, "name": {} } },
    } } });
    add_to(&mut document);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["NewUser"]["required"], json!(["email", "name"]));
    let email = json!({ "description": "kept", "format": "email", "pattern": "^.+$" });
    assert_eq!(schemas["NewUser"]["properties"]["email"], email);
    let email = json!({ "nullable": true, "format": "email", "pattern": "^.+$" });
    assert_eq!(schemas["ChangeUser"]["properties"]["email"], email);
    let name = json!({ "description": "kept", "format": "name", "pattern": NEW_NAME_PATTERN });
    assert_eq!(schemas["NewUser"]["properties"]["name"], name);
    assert_eq!(schemas["ChangeUser"]["required"], Value::Null);
    assert_eq!(schemas["NewKey"], Value::Null);
}
