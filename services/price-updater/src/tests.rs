//! Tests of the whole service, and the entry points of the fuzzer.

pub mod fuzzing;
#[cfg(test)]
mod service;
