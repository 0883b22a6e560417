//! The rules, and the decision whether a request is permitted.

use super::{Permission, Principal};
use crate::api::{Code, Problem, Subcode, keys::Scope};

/// Who may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Everybody. Credentials are ignored.
    Public,
    /// Everybody. An operator sees more, so wrong credentials are refused. The service itself checks the credentials.
    PublicWithDetails,
    /// Requests without credentials while anonymous access is on, users whose key has the scope, and operators.
    Customer(Scope),
    /// Requests without credentials while anonymous access is on, and users whose key has the scope. Operators do not act for a customer.
    CustomerOnly(Scope),
    /// Users whose key has the scope, and operators.
    User(Scope),
    /// Operators.
    Operator,
    /// Everybody while the service listens on loopback, and operators. The service itself checks the credentials.
    OperatorBeyondLoopback,
    /// Services with the permission, by their internal tokens.
    Internal(Permission),
}

/// The setting `ANONYMOUS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AnonymousAccess {
    /// [`Rule::Customer`] and [`Rule::CustomerOnly`] permit requests without credentials.
    #[default]
    On,
    Off,
}

/// Why a principal may not use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// 401: the request has no credentials that the operation accepts.
    #[error("credentials are required")]
    CredentialsRequired,
    /// 401: the request has no credentials, and only operators may use the operation.
    #[error("the credentials of an operator are required")]
    OperatorTokenRequired,
    /// 403: the key does not have the scope.
    #[error("the API key does not have the scope {}", .0.as_str())]
    MissingScope(Scope),
    /// 403: only operators may use the operation.
    #[error("only operators may use the operation")]
    OperatorsOnly,
    /// 403: operators may not use the operation.
    #[error("operators may not use the operation")]
    CustomersOnly,
}

impl Rule {
    /// Decides whether `principal` may use an operation with this rule.
    pub fn check(self, principal: &Principal, anonymous: AnonymousAccess) -> Result<(), Denied> {
        match (self, principal) {
            (Self::Public | Self::PublicWithDetails, _)
            | (
                Self::Customer(_) | Self::User(_) | Self::Operator | Self::OperatorBeyondLoopback,
                Principal::Operator,
            ) => Ok(()),
            (Self::Customer(_) | Self::CustomerOnly(_), Principal::Anonymous) if anonymous == AnonymousAccess::On => {
                Ok(())
            }
            (Self::Customer(scope) | Self::CustomerOnly(scope) | Self::User(scope), Principal::User(user)) => {
                if user.scopes.contain(scope) { Ok(()) } else { Err(Denied::MissingScope(scope)) }
            }
            (Self::Operator | Self::OperatorBeyondLoopback, Principal::User(_)) => Err(Denied::OperatorsOnly),
            (Self::Operator | Self::OperatorBeyondLoopback, Principal::Anonymous) => Err(Denied::OperatorTokenRequired),
            (Self::CustomerOnly(_), Principal::Operator) => Err(Denied::CustomersOnly),
            // An internal endpoint accepts neither API keys nor `OPERATOR_TOKEN`.
            (_, Principal::Anonymous) | (Self::Internal(_), _) => Err(Denied::CredentialsRequired),
        }
    }

    /// Whether the server's middleware checks credentials for operations with this rule.
    pub fn checks_credentials(self) -> bool {
        match self {
            Self::Customer(_) | Self::CustomerOnly(_) | Self::User(_) | Self::Operator => true,
            Self::Public | Self::PublicWithDetails | Self::OperatorBeyondLoopback | Self::Internal(_) => false,
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::CredentialsRequired => {
                Self::new(Code::Unauthorized, "Send an API key in the header Authorization: Bearer KEY.")
            }
            Denied::OperatorTokenRequired => Self {
                subcode: Some(Subcode::OperatorsOnly),
                ..Self::new(
                    Code::Unauthorized,
                    "Only operators may do this. Send OPERATOR_TOKEN in the header Authorization: Bearer TOKEN.",
                )
            },
            Denied::MissingScope(scope) => {
                let detail = format!(
                    "The API key does not have the scope {}. Use a key with this scope; a new key can have it.",
                    scope.as_str()
                );
                Self { subcode: Some(Subcode::MissingScope), ..Self::new(Code::Forbidden, detail) }
            }
            Denied::OperatorsOnly => Self {
                subcode: Some(Subcode::OperatorsOnly),
                ..Self::new(Code::Forbidden, "Only operators may do this, with OPERATOR_TOKEN instead of an API key.")
            },
            Denied::CustomersOnly => Self::new(
                Code::Forbidden,
                "Operators may not do this, because they do not act for customers. Send the API key of the user.",
            ),
        }
    }
}
