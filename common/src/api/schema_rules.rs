//! Rules of request schemas that the attributes of poem-openapi cannot express. The rules are added to the generated document.

use serde_json::{Map, Value, json};

use super::{keys::MAX_KEY_RATE, users::NEW_NAME_PATTERN};

/// Schemas that get `additionalProperties: false`, because their requests must not contain unknown fields.
const WITHOUT_UNKNOWN_FIELDS: &[&str] = &[
    "OrderPayload",
    "QuoteRequest",
    "SourcesOrder",
    "NewFault",
    "TimedFault",
    "Timeline",
    "NewUser",
    "ChangeUser",
    "NewKey",
    "ChangeKey",
    "NewWallet",
    "NewOperation",
    "NewTransfer",
    "NewLimit",
    "NewSilence",
];

/// Properties that a request must contain. The type of the request declares them as optional, so that one error can name every
/// missing property.
const REQUIRED: &[(&str, &[&str])] = &[
    ("NewUser", &["email", "name"]),
    ("NewKey", &["name", "scopes"]),
    ("NewWallet", &["currency"]),
    ("NewOperation", &["operation_type", "amount"]),
    ("NewTransfer", &["from", "to", "amount"]),
    ("NewLimit", &["limit", "changed_by"]),
];

/// Properties that may be `null`. In a request, `null` means the same as the absence of the property.
const NULLABLE: &[(&str, &str)] = &[
    ("OrderPayload", "currency"),
    ("OrderPayload", "amount"),
    ("OrderPayload", "bitcoin_amount"),
    ("OrderPayload", "quote"),
    ("OrderPayload", "client_reference"),
    ("OrderPayload", "metadata"),
    ("QuoteRequest", "amount"),
    ("QuoteRequest", "bitcoin_amount"),
    ("CreateQuoteCommand", "client"),
    ("ChangeUser", "email"),
    ("ChangeUser", "name"),
    ("NewKey", "rate_limit_per_minute"),
    ("NewKey", "expires_at"),
    ("ChangeKey", "name"),
    ("NewSilence", "alert"),
    ("NewSilence", "service"),
    ("Wallet", "user_id"),
];

/// Properties of requests that get the format and the pattern of the same property of a response: the schema of the
/// request, the schema of the response, and the property.
const SAME_FORMAT: &[(&str, &str, &str)] =
    &[("NewUser", "User", "email"), ("ChangeUser", "User", "email"), ("NewKey", "ApiKey", "scopes")];

/// Schemas of requests that contain a new name. Names that an earlier release has stored follow weaker rules.
const WITH_NEW_NAME: &[&str] = &["NewUser", "ChangeUser", "NewKey", "ChangeKey"];

/// The pattern of an amount of fiat money that a request contains as a string. A JSON number is also allowed.
const AMOUNT_PATTERN: &str = r"^(0\.[0-9]{0,3}[1-9]|[1-9][0-9]{0,8}(\.[0-9]{1,4})?)$";

/// The pattern of an amount of bitcoin that a request contains as a string. A JSON number is also allowed.
const BITCOIN_PATTERN: &str = r"^(0\.[0-9]{0,7}[1-9]|[1-9][0-9]{0,6}(\.[0-9]{1,8})?)$";

/// Adds the rules to the schemas of an OpenAPI document. Schemas that the document does not contain are skipped.
pub fn add_to(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    for name in WITHOUT_UNKNOWN_FIELDS {
        set(schemas, name, "additionalProperties", json!(false));
    }
    for (name, properties) in REQUIRED {
        set(schemas, name, "required", json!(properties));
    }
    let amounts =
        [json!({ "required": ["currency", "amount"] }), json!({ "required": ["currency", "bitcoin_amount"] })];
    set(schemas, "QuoteRequest", "anyOf", json!(amounts));
    // A quote determines the currency and the amounts of its order.
    let [amount, bitcoin] = amounts;
    set(schemas, "OrderPayload", "anyOf", json!([amount, bitcoin, { "required": ["quote"] }]));
    for name in ["OrderPayload", "QuoteRequest"] {
        if let Some(bitcoin) = schemas.get_mut(name).and_then(|schema| schema.pointer_mut("/properties/bitcoin_amount"))
        {
            let text = json!({ "type": "string", "format": "decimal", "pattern": BITCOIN_PATTERN });
            let number = json!({
                "type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 21_000_000, "multipleOf": 0.000_000_01,
            });
            bitcoin["oneOf"] = json!([text, number]);
        }
        if let Some(amount) = schemas.get_mut(name).and_then(|schema| schema.pointer_mut("/properties/amount")) {
            let text = json!({ "type": "string", "format": "decimal", "pattern": AMOUNT_PATTERN });
            let number = json!({
                "type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1_000_000_000, "exclusiveMaximum": true,
                "multipleOf": 0.0001,
            });
            amount["oneOf"] = json!([text, number]);
        }
    }
    for (schema, property) in NULLABLE {
        if let Some(properties) = schemas.get_mut(*schema).and_then(|schema| schema.get_mut("properties")) {
            properties[*property]["nullable"] = json!(true);
        }
    }
    if let Some(key) = schemas.get_mut("NewKey") {
        key["properties"]["scopes"]["minItems"] = json!(1);
    }
    for name in ["NewKey", "ChangeKey"] {
        if let Some(key) = schemas.get_mut(name) {
            key["properties"]["rate_limit_per_minute"]["minimum"] = json!(1);
            key["properties"]["rate_limit_per_minute"]["maximum"] = json!(MAX_KEY_RATE);
        }
    }
    for name in WITH_NEW_NAME {
        if let Some(request) = schemas.get_mut(*name) {
            request["properties"]["name"]["format"] = json!("name");
            request["properties"]["name"]["pattern"] = json!(NEW_NAME_PATTERN);
        }
    }
    for (request, response, property) in SAME_FORMAT {
        copy_format(schemas, request, response, property);
    }
}

fn copy_format(schemas: &mut Map<String, Value>, request: &str, response: &str, property: &str) {
    let Some(source) = schemas.get(response).and_then(|schema| schema["properties"].get(property)).cloned() else {
        return;
    };
    let Some(target) = schemas.get_mut(request).and_then(|schema| schema["properties"].get_mut(property)) else {
        return;
    };
    for keyword in ["format", "pattern", "items"] {
        if let Some(value) = source.get(keyword) {
            target[keyword] = value.clone();
        }
    }
}

fn set(schemas: &mut Map<String, Value>, schema: &str, keyword: &str, value: Value) {
    if let Some(schema) = schemas.get_mut(schema) {
        schema[keyword] = value;
    }
}

#[cfg(test)]
mod tests;
