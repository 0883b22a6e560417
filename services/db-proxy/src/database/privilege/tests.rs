use std::{borrow::Cow, error::Error as StdError};

use sqlx::error::{DatabaseError, ErrorKind};

use super::*;

/// An error of the server with this SQLSTATE.
#[derive(Debug, thiserror::Error)]
#[error("permission denied for schema public at line 3655")]
struct ServerError(&'static str);

impl DatabaseError for ServerError {
    fn message(&self) -> &'static str {
        "permission denied for schema public"
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

#[test]
fn role_that_may_not_create_tables_is_named_with_the_statement_that_permits_it() {
    let of_code = |code| NoSchemaPrivilege::of("Ada", &Error::Database(Box::new(ServerError(code))));
    assert_eq!(
        of_code("42501").unwrap().to_string(),
        "the role Ada may not create or change the tables of the database. As a superuser, run `grant usage, create on schema public to \
         \"Ada\"` in this database. If another role owns the tables, use that role in DATABASE_URL"
    );
    assert_eq!(of_code("42P01"), None);
    assert_eq!(NoSchemaPrivilege::of("ada", &Error::PoolTimedOut), None);
}

#[test]
fn name_of_a_role_is_quoted_if_necessary() {
    for (role, quoted) in [("buydesk_2", "buydesk_2"), ("Ada", r#""Ada""#), (r#"a"b"#, r#""a""b""#), ("2b", r#""2b""#)]
    {
        assert_eq!(identifier(role), quoted);
    }
}
