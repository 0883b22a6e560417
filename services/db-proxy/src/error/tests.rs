use super::*;

fn problem(error: impl Into<Error>) -> Problem {
    Problem::from(error.into())
}

#[test]
fn transient_database_error_is_reported_as_unavailable() {
    for error in
        [DatabaseError::TimedOut, DatabaseError::NotMigrated, DatabaseError::Unavailable(sqlx::Error::PoolTimedOut)]
    {
        let problem = problem(error);
        assert_eq!((problem.code, problem.retry_after), (Code::DatabaseUnavailable, Some(MAX_UNAVAILABLE)));
    }
}

#[test]
fn write_without_a_result_has_an_unknown_outcome() {
    let broken_pipe = || sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into());
    let problem = |error| Problem::from(Error::Database(error));
    assert_eq!(problem(DatabaseError::of_write(broken_pipe())).code, Code::OutcomeUnknown);
    assert_eq!(problem(DatabaseError::of_write(sqlx::Error::PoolTimedOut)).code, Code::DatabaseUnavailable);
    // A read has no effect.
    assert_eq!(problem(DatabaseError::from(broken_pipe())).code, Code::DatabaseUnavailable);
}

#[test]
fn permanent_database_error_is_reported_as_internal() {
    for error in [DatabaseError::Rejected(sqlx::Error::RowNotFound), DatabaseError::InvalidRow("amount".to_owned())] {
        assert_eq!(problem(error).code, Problem::internal().code);
    }
    assert_eq!(problem(WriteError::Internal).code, Problem::internal().code);
}

#[test]
fn only_an_indeterminate_write_has_an_unknown_outcome() {
    let codes = [
        (WriteError::QueueFull, Code::Overloaded),
        (WriteError::Unavailable, Code::DatabaseUnavailable),
        (WriteError::ShuttingDown, Code::ShuttingDown),
        (WriteError::Indeterminate, Code::OutcomeUnknown),
    ];
    for (error, code) in codes {
        assert_eq!(problem(error).code, code);
    }
}

/// Nothing is known about the clock before the first answer of the database.
#[test]
fn database_that_has_never_answered_is_not_reported_as_a_clock_fault() {
    let problem = problem(DatabaseError::Clock(ClockFault::Unchecked));
    assert_eq!((problem.code, problem.retry_after), (Code::DatabaseUnavailable, Some(MAX_UNAVAILABLE)));
    assert!(!problem.detail.contains("clock"), "{}", problem.detail);
}

/// The client of db-proxy recognizes these errors by the code and the field.
#[test]
fn directory_refusals_are_recognizable_by_code_and_field() {
    let expected = [
        (DirectoryRefusal::UserNotFound, Code::NotFound, Some("id")),
        (DirectoryRefusal::KeyNotFound, Code::NotFound, Some("key_id")),
        (DirectoryRefusal::PrefixNotFound, Code::NotFound, Some("prefix")),
        (DirectoryRefusal::EmailTaken, Code::EmailTaken, Some("email")),
        (DirectoryRefusal::TooManyKeys, Code::KeyLimitExceeded, None),
        (DirectoryRefusal::KeyRevoked, Code::KeyRevoked, None),
        (DirectoryRefusal::PrefixTaken, Code::ValidationFailed, Some("prefix")),
    ];
    for (refusal, code, field) in expected {
        let problem = problem(refusal);
        let named = problem.errors.first().map(|error| error.field.as_str());
        assert_eq!((problem.code, named), (code, field), "{refusal}");
    }
}
