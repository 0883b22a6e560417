//! The kinds of load.

mod orders;
mod reads;
mod wallets;

pub use self::{orders::OrderLoad, reads::ReadLoad, wallets::WalletLoad};
