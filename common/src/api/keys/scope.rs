//! The permissions of API keys.

use poem_openapi::{Enum, NewType};
use serde::{Deserialize, Serialize};

/// A part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum Scope {
    /// Placing orders, and creating and releasing quotes.
    Orders,
    /// Creating wallets and moving money.
    Wallets,
    /// Reading orders, quotes, wallets, the user and the keys of the user.
    Read,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Orders, Self::Wallets, Self::Read];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Wallets => "wallets",
            Self::Read => "read",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of scopes, sorted and without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, NewType, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>")]
#[oai(from_parameter = false, to_header = false)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    pub fn contain(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(mut scopes: Vec<Scope>) -> Self {
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().collect::<Vec<_>>().into()
    }
}
