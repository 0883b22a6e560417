//! Fixtures that the unit tests of several modules share, and the tests of readiness.

pub(crate) mod fixtures;
mod readiness;
