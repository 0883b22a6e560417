//! The policy as a document: the content of `docs/access.md`.

use std::fmt::Write as _;

use super::{
    policy::{COMMON, POLICY},
    rule::Rule,
};

const INTRODUCTION: &str = "\
# Who may do what

<!-- Generated from common/src/access/policy.rs by the test `openapi`. -->

A request without credentials is anonymous. With credentials, it has the header `Authorization: Bearer CREDENTIALS`:

- an API key, which begins with `bdk_`. The request acts as the user of the key. A key has scopes: `orders` (placing orders and
  quotes), `wallets` (creating and changing wallets), `read` (reading orders, quotes, wallets and the user).
- `OPERATOR_TOKEN`. The request acts as an operator, who may read everything and manage users.
- a token of a service, for internal endpoints only ([ADR 11](adr/0011-tokens-by-caller.md)).

| who may use an operation | anonymous | a user | an operator |
|---|---|---|---|
| everybody | yes | yes; the key is ignored | yes; the token is ignored |
| everybody, details for operators | yes | yes; the key is ignored | yes; a wrong token is refused with 401 |
| customers | while `ANONYMOUS=on`, otherwise 401 | if the key has the scope, otherwise 403 | yes |
| customers, not operators | while `ANONYMOUS=on`, otherwise 401 | if the key has the scope, otherwise 403 | 403 |
| users | 401 | if the key has the scope, otherwise 403 | yes |
| operators | 401 | 403 | yes |
| operators; on loopback everybody | on loopback, otherwise 401 | on loopback, otherwise 401 | yes |
| services | 401 | 401 | 401; `INTERNAL_TOKEN` permits everything |

Credentials that are not valid are refused with 401, even if an anonymous request would be permitted: a request that was meant to
act as a user is never handled as anonymous. Only operations for everybody ignore credentials. On loopback too, health-check refuses
a wrong token where it accepts requests without one.

A user sees only the user's own orders, quotes and wallets, also in lists, exports and totals. A list of users contains only the user
itself. A request for an object that belongs to another user receives the same 404 as a request for one that does not exist. An
anonymous request sees only orders, quotes and wallets that were made without a key. An operator sees everything. An order or a quote
of an operator belongs to no user, so anonymous requests see it too. Operators create no wallets and move no money.

## Operations

";

const KEYS: &str = "
## How keys are checked

A service looks up a key in db-proxy by its prefix, compares its SHA-256 in constant time, and caches the result for 3 s. A look-up
takes at most 1.5 s. So a revoked key is refused everywhere within 5 s. Concurrent requests with one key share one look-up. While
db-proxy is unavailable, keys whose result is not cached are refused with 503: a key that cannot be checked is never accepted. The code
is `upstream_unavailable`, or `outcome_unknown` for a request with an `Idempotency-Key`, because an earlier one may have taken effect.

A mistyped key is refused by its checksum, without a look-up. An address that sends more than 30 unknown keys in a minute receives
429 for every key that was not valid at this service within the last hour. A service has at most 32 look-ups in progress.

The last use of a key is stored once a minute.

## Rate limits

A request with a key counts against the limit of the key: its `rate_limit_per_minute`, or the limit of the service. Each service
counts on its own, and create-order counts reads of quotes apart from orders and quotes. Other requests count against the
limit of the address that sent them, also requests with invalid credentials and requests for prices, which ignore keys. Requests of
operators are not limited.

The instances of a service count together if they have the same `RATE_LIMIT_REDIS_URL`. Otherwise each instance counts on its own.

`RateLimit-*` headers describe the limit that applies: `RateLimit-Limit` is the limit per minute, `RateLimit-Remaining` how many
requests are left, and `RateLimit-Reset` the seconds until the next request is allowed, 0 while requests are left. With shared
limits, `RateLimit-Remaining` is an estimate: other instances may have accepted requests since the instance last asked the Redis.
While the Redis is unavailable, it is what the instance that answered still accepts.

A changed limit of a key applies within 5 s. The requests that counted against the earlier limit count against the new one.

## Settings

- `OPERATOR_TOKEN`: at least 16 characters. `buydesk up` creates and prints one if it is not set. create-order, fetch-orders, users and
  wallets have no default when they are started alone.
- `ANONYMOUS`: `on` (default) or `off`. With `off`, everything except prices, documentation and health requires credentials.
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
