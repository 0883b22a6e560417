//! Tests of the whole service, and the entry points of the fuzz targets.

pub mod fuzzing;
#[cfg(test)]
mod service;
