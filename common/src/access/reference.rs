//! The policy as a document: the content of `docs/access.md`.

use std::fmt::Write as _;

use super::{
    policy::{COMMON, POLICY},
    rule::Rule,
};

const INTRODUCTION: &str = "\
# Access rules

<!-- Generated from common/src/access/policy.rs by the test `openapi`. -->

A request without credentials is anonymous. A request with credentials has the header `Authorization: Bearer CREDENTIALS`. There are
three kinds of credentials:

- An API key begins with `bdk_`. The request acts as the user of the key. A key has scopes: `orders` (placing orders, creating and releasing quotes),
  `wallets` (creating wallets and moving money), `read` (reading orders, quotes, wallets, the user and the keys of the user).
- With `OPERATOR_TOKEN`, the request acts as an operator, who can read everything, manage users and set the limit.
- A token of a service is valid for internal endpoints only ([ADR 11](adr/0011-tokens-by-caller.md)).

| who may use an operation | anonymous | a user | an operator |
|---|---|---|---|
| everybody | yes | yes; the key is ignored | yes; the token is ignored |
| everybody, details for operators | yes | yes; the key is ignored | yes; a wrong token is refused with 401 |
| customers | with `ANONYMOUS=on`, otherwise 401 | if the key has the scope, otherwise 403 | yes |
| customers, not operators | with `ANONYMOUS=on`, otherwise 401 | if the key has the scope, otherwise 403 | 403 |
| users | 401 | if the key has the scope, otherwise 403 | yes |
| operators | 401 | 403 | yes |
| operators; on loopback everybody | on loopback, otherwise 401 | on loopback, otherwise 401 | yes |
| services | 401 | 401 | 401; `INTERNAL_TOKEN` permits all internal endpoints |

A request with invalid credentials is refused with 401, even if the same request without credentials would be accepted. Only
operations for everybody ignore credentials, and health-check ignores API keys. health-check also refuses a wrong token on loopback,
although it accepts requests without a token there.

A user sees only its own orders, quotes and wallets, also in lists, exports and totals. A list of users contains only the user of the
key. A request for an object of another user receives the same 404 as a request for an object that does not exist. An anonymous
request sees only orders, quotes and wallets that were made without an API key. An operator sees everything. Orders and quotes of an
operator belong to no user, so anonymous requests see them too. Operators cannot create wallets or move money.

## Operations

";

const KEYS: &str = "
## How keys are checked

A service looks up a key in db-proxy by its prefix, compares its SHA-256 in constant time, and caches the result for 3 s. A look-up
takes at most 1.5 s. Every service therefore refuses a revoked key within 5 s. Concurrent requests with the same key share one look-up.
While db-proxy is unavailable, a key whose result is not cached is refused with 503 `upstream_unavailable`. If the request has an
`Idempotency-Key` that the operation supports, the code is `outcome_unknown`, because an earlier request with the same
`Idempotency-Key` may have had an effect.

If the checksum of a key is wrong, the key is refused without a look-up. An address that sends more than 30 unknown keys in a minute to an
instance receives 429 for every key that this instance has not accepted within the last hour. An instance has at most 32 look-ups in
progress.

The time of the last use of a key is stored once a minute.

## Rate limits

A request with an API key counts against the limit of the key: its `rate_limit_per_minute`, or the limit of the service. Each service
counts separately. create-order counts reads of quotes separately from other requests. Requests without a valid key count
against the limit of the client address, including requests with invalid credentials. Every request for prices counts against the
limit of the client address, because its credentials are ignored. Requests of operators are not limited, except requests for prices.

The instances of a service count together if they have the same `RATE_LIMIT_REDIS_URL`. Otherwise each instance counts separately.

The headers `RateLimit-*` describe the limit that applies to the request. `RateLimit-Limit` is the limit per minute. `RateLimit-Remaining` is the
number of requests that are left. `RateLimit-Reset` is the number of seconds until the next request is allowed, and 0 while requests
are left. With shared limits, `RateLimit-Remaining` is an estimate, because an instance does not know every request that the other
instances have accepted. While the Redis is unavailable, `RateLimit-Remaining` is the number of requests that this instance still accepts.

A changed limit of a key applies within 5 s. The requests that counted against the earlier limit count against the new limit.

## Settings

- `OPERATOR_TOKEN`: at least 16 characters. If it is not set, `buydesk up` creates and prints a token. create-order, fetch-orders, users
  and wallets have no default when they are started alone.
- `ANONYMOUS`: `on` (default) or `off`. With `off`, everything except prices, documentation, metrics and health requires credentials.
";

/// The document.
pub fn reference_markdown() -> String {
    let mut table = "| service | operations | who may use them |\n|---|---|---|\n".to_owned();
    for policy in POLICY {
        let operations: Vec<_> = policy.operations().collect();
        for rule in distinct_rules(&operations) {
            add_row(&mut table, policy.service, &operations, rule);
        }
    }
    add_row(&mut table, "every service", COMMON, Rule::Public);
    format!(
        "{INTRODUCTION}{table}\nThe documentation of every service (`/docs`, `/openapi.json`, `/errors`) is for everybody too.\n{KEYS}"
    )
}

/// The rules in the order of their first operation.
fn distinct_rules(operations: &[(&str, Rule)]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (_, rule) in operations {
        if !rules.contains(rule) {
            rules.push(*rule);
        }
    }
    rules
}

fn add_row(table: &mut String, service: &str, operations: &[(&str, Rule)], rule: Rule) {
    let ids = operations.iter().filter(|(_, other)| *other == rule).map(|(id, _)| format!("`{id}`"));
    // Writing to a string does not fail.
    let _ = writeln!(table, "| {service} | {} | {} |", ids.collect::<Vec<_>>().join(", "), rule.description());
}

impl Rule {
    /// Who may use an operation with this rule, in words.
    pub fn description(self) -> String {
        match self {
            Self::Public => "everybody".to_owned(),
            Self::PublicWithDetails => "everybody, details for operators".to_owned(),
            Self::Customer(scope) => format!("customers, scope `{}`", scope.as_str()),
            Self::CustomerOnly(scope) => format!("customers, not operators, scope `{}`", scope.as_str()),
            Self::User(scope) => format!("users, scope `{}`", scope.as_str()),
            Self::Operator => "operators".to_owned(),
            Self::OperatorBeyondLoopback => "operators; on loopback everybody".to_owned(),
            Self::Internal(permission) => {
                let callers: Vec<_> = permission.callers().iter().map(|caller| caller.as_str()).collect();
                let callers = if callers.is_empty() { "none".to_owned() } else { callers.join(", ") };
                format!("services: {callers}")
            }
        }
    }
}
