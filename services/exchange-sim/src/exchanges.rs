//! The simulated exchanges, indices and banks over HTTP. Each of them has a file with the paths, formats and errors of
//! the real source.
//!
//! To add an exchange, write a file with its `NAME`, `ERROR_FORMATS`, `RATE_LIMIT` and routes, declare it as a module
//! here, add it to `registry!`, and list its operations in `documentation.rs`. Its WebSocket belongs in `ws/`.

pub(crate) mod binance;
mod bitfinex;
mod bitstamp;
mod blockchain_info;
mod cbr;
pub(crate) mod coinbase;
mod coingecko;
mod ecb;
mod frankfurter;
mod gemini;
pub(crate) mod kraken;
pub(crate) mod okx;

use crate::{fault_injector::FaultInjector, simulation::Simulation};

macro_rules! registry {
    ($($module:ident::$exchange:ident,)+) => {
        /// The names of all exchanges. Each name is also the first part of the exchange's paths.
        pub(crate) const NAMES: &[&str] = &[$($module::NAME,)+];

        pub(crate) type Routes = ($($module::$exchange,)+);

        pub(crate) fn routes(simulation: &Simulation) -> Routes {
            ($($module::$exchange(FaultInjector::new(
                $module::NAME,
                $module::ERROR_FORMATS,
                $module::RATE_LIMIT,
                simulation,
            )),)+)
        }
    };
}

registry! {
    binance::Binance,
    bitfinex::Bitfinex,
    bitstamp::Bitstamp,
    blockchain_info::BlockchainInfo,
    cbr::Cbr,
    coinbase::Coinbase,
    coingecko::CoinGecko,
    ecb::Ecb,
    frankfurter::Frankfurter,
    gemini::Gemini,
    kraken::Kraken,
    okx::Okx,
}
