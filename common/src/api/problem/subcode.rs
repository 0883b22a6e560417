//! Subcodes of problems.

/// A difference between problems of one code on which a program can act. Subcodes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subcode {
    /// Of `outcome_unknown`: this request had no effect. Only an earlier request with the same key may have had an
    /// effect.
    NoEffect,
    /// Of `not_found`: the service has no such path.
    UnknownPath,
    /// Of `forbidden`: the API key does not have the scope that the request needs.
    MissingScope,
    /// Of `forbidden` and `unauthorized`: only an operator may do this.
    OperatorsOnly,
}

impl Subcode {
    const ALL: [Self; 4] = [Self::NoEffect, Self::UnknownPath, Self::MissingScope, Self::OperatorsOnly];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoEffect => "no_effect",
            Self::UnknownPath => "unknown_path",
            Self::MissingScope => "missing_scope",
            Self::OperatorsOnly => "operators_only",
        }
    }

    /// `None` if the subcode is not known. A newer service may send other subcodes.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subcode| subcode.as_str() == text)
    }
}
