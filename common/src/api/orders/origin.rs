//! Whether orders are simulated or real.

use std::fmt;

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

/// Whether the orders of a database are simulated or real. One database never holds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum OrderOrigin {
    /// The prices come from real exchanges.
    Real,
    /// The prices come from simulated exchanges, or the orders were generated.
    Simulated,
}

impl OrderOrigin {
    pub fn of(simulated: bool) -> Self {
        if simulated { Self::Simulated } else { Self::Real }
    }

    pub fn is_simulated(self) -> bool {
        self == Self::Simulated
    }

    #[must_use]
    pub fn opposite(self) -> Self {
        Self::of(!self.is_simulated())
    }
}

impl fmt::Display for OrderOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Simulated => "simulated",
        })
    }
}
