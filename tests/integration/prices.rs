//! Prices and courses, from the exchanges to their readers.

mod exchange_faults;
mod publishing;
mod rates_api;
mod sources;
mod websocket_feeds;
