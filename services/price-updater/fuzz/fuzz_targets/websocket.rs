//! WebSocket messages of exchanges. A message must not cause a panic or lead to a price that no message contains.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::websocket(input));
