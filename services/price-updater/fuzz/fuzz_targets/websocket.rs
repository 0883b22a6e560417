//! WebSocket messages of exchanges. No message may cause a panic or lead to a price that was not sent.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::websocket(input));
