//! The kinds of load.

mod orders;
mod prices;
mod reads;
mod users;
mod wallets;

pub use self::{orders::OrderLoad, prices::PriceLoad, reads::ReadLoad, users::UserLoad, wallets::WalletLoad};
