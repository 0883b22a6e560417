//! Responses of exchanges, indices and banks. No input may panic or be accepted as an invalid price.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::http(input));
