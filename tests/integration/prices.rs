//! Prices and courses, from the exchanges to their readers.

mod exchange_faults;
mod implausible_prices;
mod price_streams;
mod publishing;
mod rates_api;
mod sources;
