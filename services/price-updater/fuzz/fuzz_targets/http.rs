//! Responses of exchanges, indices and banks. A response must not cause a panic or lead to an invalid price.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::http(input));
