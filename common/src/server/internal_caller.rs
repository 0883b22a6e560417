//! Authentication of calls between services.

use poem::Request;
use poem_openapi::{SecurityScheme, auth::Bearer};

use crate::config::Secret;

/// A caller that sent the internal token. An endpoint with this parameter rejects all other callers.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", rename = "InternalToken", checker = "check_token")]
pub struct InternalCaller(());

async fn check_token(request: &Request, bearer: Bearer) -> Option<()> {
    request.data::<Secret>().is_some_and(|token| token.matches(&bearer.token)).then_some(())
}
