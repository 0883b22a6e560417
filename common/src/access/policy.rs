//! The policy: one rule for each operation of each service, by the id of the operation in the OpenAPI document.
//!
//! `docs/access.md` is generated from the policy. A test fails if an operation has no rule, or if a rule has no operation. A
//! service that checks credentials does not start if one of its operations has no rule.

use super::{
    Permission,
    Rule::{self, Customer, CustomerOnly, Internal, Operator, OperatorBeyondLoopback, Public, PublicWithDetails, User},
};
use crate::api::keys::Scope::{Orders, Read, Wallets};

/// Operations with their rules.
type Operations = &'static [(&'static str, Rule)];

#[derive(Debug, Clone, Copy)]
pub struct ServicePolicy {
    pub service: &'static str,
    /// Several lists, because a service that forwards requests also has the rules of the service that receives them.
    operations: &'static [Operations],
}

impl ServicePolicy {
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, Rule)> {
        self.operations.iter().copied().flatten().copied()
    }
}

/// The endpoints for monitoring, which every service has.
pub(super) const COMMON: Operations = &[("livez", Public), ("readyz", Public), ("metrics", Public)];

/// The reads of orders, which create-order forwards to fetch-orders.
const ORDER_READS: Operations = &[
    ("get_orders", Customer(Read)),
    ("list_orders", Customer(Read)),
    ("export_orders", Customer(Read)),
    ("order_summary", Customer(Read)),
    ("get_order", Customer(Read)),
];

/// The reads of prices, which create-order forwards to the service `rates`.
const PRICE_READS: Operations = &[
    ("list_courses", Public),
    ("stream_courses", Public),
    ("course_history", Public),
    ("get_price", Public),
    ("price_chart", Public),
    ("convert", Public),
];

pub const POLICY: &[ServicePolicy] = &[
    ServicePolicy {
        service: "create-order",
        operations: &[
            &[
                ("place_order", Customer(Orders)),
                ("create_order", Customer(Orders)),
                ("create_quote", Customer(Orders)),
                ("get_quote", Customer(Read)),
                ("release_quote", Customer(Orders)),
                ("get_limit", Operator),
                ("set_limit", Operator),
            ],
            ORDER_READS,
            PRICE_READS,
        ],
    },
    ServicePolicy { service: "fetch-orders", operations: &[ORDER_READS] },
    ServicePolicy { service: "rates", operations: &[PRICE_READS] },
    ServicePolicy {
        service: "users",
        operations: &[&[
            ("create_user", Operator),
            // With an API key, these three operations return only the user of the key.
            ("list_users", User(Read)),
            ("get_user", User(Read)),
            ("find_user", User(Read)),
            ("update_user", Operator),
            ("deactivate_user", Operator),
            ("activate_user", Operator),
            ("create_key", Operator),
            // A user lists only its own keys.
            ("list_keys", User(Read)),
            ("update_key", Operator),
            ("revoke_key", Operator),
        ]],
    },
    ServicePolicy {
        service: "wallets",
        operations: &[&[
            ("create_wallet", CustomerOnly(Wallets)),
            ("list_wallets", Customer(Read)),
            ("get_wallet", Customer(Read)),
            ("find_wallet", Customer(Read)),
            ("create_operation", CustomerOnly(Wallets)),
            ("list_operations", Customer(Read)),
            ("export_operations", Customer(Read)),
            ("create_transfer", CustomerOnly(Wallets)),
            ("verify_journal", Operator),
        ]],
    },
    ServicePolicy {
        service: "health-check",
        operations: &[&[
            // Beyond loopback, only operators see host names and details; see `services/health-check/src/operator.rs`.
            ("status_page", Public),
            ("health", PublicWithDetails),
            ("reports", OperatorBeyondLoopback),
            ("report_groups", OperatorBeyondLoopback),
            ("health_history", OperatorBeyondLoopback),
            ("alerts", OperatorBeyondLoopback),
            ("silences", OperatorBeyondLoopback),
            ("add_silence", OperatorBeyondLoopback),
            ("remove_silence", OperatorBeyondLoopback),
            ("sign_in", OperatorBeyondLoopback),
            ("report", Internal(Permission::Reporter)),
        ]],
    },
    ServicePolicy {
        service: "db-proxy",
        operations: &[&[
            ("add_order", Internal(Permission::OrderWriter)),
            ("place_orders", Internal(Permission::OrderWriter)),
            ("place_orders_v2", Internal(Permission::OrderWriter)),
            ("place_orders_v3", Internal(Permission::OrderWriter)),
            ("create_quote", Internal(Permission::OrderWriter)),
            ("create_quote_v2", Internal(Permission::OrderWriter)),
            ("get_quote", Internal(Permission::OrderWriter)),
            ("release_quote", Internal(Permission::OrderWriter)),
            ("get_limit", Internal(Permission::OrderWriter)),
            ("set_limit", Internal(Permission::OrderWriter)),
            ("get_orders", Internal(Permission::HistoryReader)),
            ("get_orders_v2", Internal(Permission::HistoryReader)),
            ("list_orders", Internal(Permission::HistoryReader)),
            ("list_orders_v2", Internal(Permission::HistoryReader)),
            ("lookup_orders", Internal(Permission::HistoryReader)),
            ("lookup_orders_v2", Internal(Permission::HistoryReader)),
            ("get_order", Internal(Permission::HistoryReader)),
            ("summary", Internal(Permission::HistoryReader)),
            ("summary_v2", Internal(Permission::HistoryReader)),
            ("actual_courses", Internal(Permission::HistoryReader)),
            ("course_history", Internal(Permission::HistoryReader)),
            ("write_courses", Internal(Permission::PriceWriter)),
            ("create_user", Internal(Permission::UserAdmin)),
            ("list_users", Internal(Permission::UserAdmin)),
            ("lookup_users", Internal(Permission::UserAdmin)),
            ("get_user", Internal(Permission::UserAdmin)),
            ("update_user", Internal(Permission::UserAdmin)),
            ("deactivate_user", Internal(Permission::UserAdmin)),
            ("activate_user", Internal(Permission::UserAdmin)),
            ("store_key", Internal(Permission::UserAdmin)),
            ("list_keys", Internal(Permission::UserAdmin)),
            ("update_key", Internal(Permission::UserAdmin)),
            ("revoke_key", Internal(Permission::UserAdmin)),
            ("create_wallet", Internal(Permission::WalletWriter)),
            ("list_wallets", Internal(Permission::WalletWriter)),
            ("lookup_wallets", Internal(Permission::WalletWriter)),
            ("get_wallet", Internal(Permission::WalletWriter)),
            ("list_operations", Internal(Permission::WalletWriter)),
            ("move_money", Internal(Permission::WalletWriter)),
            ("verify_journal", Internal(Permission::WalletWriter)),
            ("get_key", Internal(Permission::KeyReader)),
            ("record_key_uses", Internal(Permission::KeyReader)),
        ]],
    },
    ServicePolicy {
        service: "price-cache-proxy",
        operations: &[&[
            ("current_record", Public),
            ("get_market_snapshot", Internal(Permission::PriceReader)),
            ("events", Internal(Permission::PriceReader)),
            ("add_record", Internal(Permission::PriceWriter)),
            ("write_market_snapshot", Internal(Permission::PriceWriter)),
            ("acquire_lease", Internal(Permission::PriceWriter)),
        ]],
    },
    ServicePolicy {
        service: "price-updater",
        operations: &[&[
            ("list_sources", Internal(Permission::Operator)),
            ("sources_order", Internal(Permission::Operator)),
            ("set_sources_order", Internal(Permission::Operator)),
        ]],
    },
    ServicePolicy {
        service: "exchange-sim",
        operations: &[&[
            ("list_calls", Internal(Permission::Operator)),
            ("list_faults", Internal(Permission::Operator)),
            ("set_fault", Internal(Permission::Operator)),
            ("end_fault", Internal(Permission::Operator)),
            ("get_timeline", Internal(Permission::Operator)),
            ("set_timeline", Internal(Permission::Operator)),
            ("binance_average", Public),
            ("binance_book_ticker", Public),
            ("binance_price", Public),
            ("bitfinex_ticker", Public),
            ("bitfinex_tickers", Public),
            ("bitstamp_ticker", Public),
            ("bitstamp_tickers", Public),
            ("blockchain_info_ticker", Public),
            ("cbr_daily", Public),
            ("coinbase_ticker", Public),
            ("coingecko_markets", Public),
            ("coingecko_price", Public),
            ("ecb_daily", Public),
            ("frankfurter_v1", Public),
            ("frankfurter_v2", Public),
            ("frankfurter_v2_rate", Public),
            ("gemini_feed", Public),
            ("gemini_ticker", Public),
            ("kraken_asset_pairs", Public),
            ("kraken_ticker", Public),
            ("okx_ticker", Public),
            ("okx_tickers", Public),
        ]],
    },
];

/// The rule of an operation. `None` if the policy has no rule for it.
pub fn rule_of(service: &str, operation: &str) -> Option<Rule> {
    let own = POLICY.iter().find(|policy| policy.service == service).into_iter().flat_map(ServicePolicy::operations);
    own.chain(COMMON.iter().copied()).find(|(id, _)| *id == operation).map(|(_, rule)| rule)
}
