//! Answers of exchanges, indexes and banks: no input may break an adapter or be taken for a price that is none.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| price_updater::fuzzing::http(input));
