//! The commands for the limit over all orders.

use clap::{Args, Subcommand};

use super::plain_number;

#[derive(Debug, Subcommand)]
pub enum LimitCommand {
    /// Show the limit, its remaining part, and its changes.
    Show,
    /// Set the limit for every instance, with immediate effect. The setting `BTC_LIMIT` has no effect afterwards.
    Set(SetLimitArgs),
}

#[derive(Debug, Args)]
pub struct SetLimitArgs {
    /// The largest sum of all orders and open quotes, in bitcoin, with at most 8 decimals. If the current
    /// sum is at or above the limit, only orders at open quotes are accepted.
    #[arg(value_name = "AMOUNT", allow_negative_numbers = true, value_parser = plain_number)]
    pub limit: String,
    /// Your name, which is recorded with the change. The default is the name of your account on this machine.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}
