//! Texts of the exchanges' websockets: no input may break a feed, or be taken for a price that nobody told.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::websocket(input));
