//! The operations of db-proxy that create-order calls.

use async_trait::async_trait;
use common::{
    api::{
        limit::{OrderLimit, SetLimitCommand},
        orders::{OrderSummary, Outcomes, OwnerFilter, PlaceOrderCommands},
        quotes::{CreateQuoteCommand, QuoteOutcome},
    },
    clients::{CallError, CallOutcome, db_proxy::DbProxyClient},
    ids::QuoteId,
};

/// Decides orders and quotes, and stores the limit: [`DbProxyClient`], or a fake in tests.
#[async_trait]
pub trait OrderBackend: Send + Sync {
    async fn place_orders(&self, orders: &PlaceOrderCommands) -> CallOutcome<Outcomes>;

    async fn create_quote(&self, quote: &CreateQuoteCommand) -> Result<QuoteOutcome, CallError>;

    async fn find_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError>;

    async fn release_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError>;

    async fn order_summary(&self) -> Result<OrderSummary, CallError>;

    async fn order_limit(&self) -> Result<OrderLimit, CallError>;

    async fn set_order_limit(&self, command: &SetLimitCommand) -> Result<OrderLimit, CallError>;
}

#[async_trait]
impl OrderBackend for DbProxyClient {
    async fn place_orders(&self, orders: &PlaceOrderCommands) -> CallOutcome<Outcomes> {
        Self::place_orders(self, orders).await
    }

    async fn create_quote(&self, quote: &CreateQuoteCommand) -> Result<QuoteOutcome, CallError> {
        Self::create_quote(self, quote).await
    }

    async fn find_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        Self::find_quote(self, id, owner).await
    }

    async fn release_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        Self::release_quote(self, id, owner).await
    }

    async fn order_summary(&self) -> Result<OrderSummary, CallError> {
        Self::order_summary(self).await
    }

    async fn order_limit(&self) -> Result<OrderLimit, CallError> {
        Self::order_limit(self).await
    }

    async fn set_order_limit(&self, command: &SetLimitCommand) -> Result<OrderLimit, CallError> {
        Self::set_order_limit(self, command).await
    }
}
