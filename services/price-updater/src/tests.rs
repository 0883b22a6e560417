//! Tests of the whole service, and what the fuzzer calls.

pub mod fuzzing;
#[cfg(test)]
mod service;
