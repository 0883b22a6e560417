use super::*;

#[test]
fn transient_codes_are_those_of_outages_contention_and_pending_migrations() {
    for code in ["5", "6", "10", "13", "14", "261", "517", "2826", "40001", "40P01", "55P03", "57014", "25P03"] {
        assert!(is_transient_code(code), "{code}");
    }
    for code in ["42P01", "42703", "08006", "53300", "57P01", "57P03", "25006"] {
        assert!(is_transient_code(code), "{code}");
    }
    for code in ["1", "19", "1555", "2067", "10005", "23505", "23514", "25001", "42601", "57000", "22003"] {
        assert!(!is_transient_code(code), "{code}");
    }
}

#[test]
fn driver_errors_are_classified() {
    for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::WorkerCrashed] {
        assert!(matches!(DatabaseError::from(error), DatabaseError::Unavailable(_)));
    }
    let broken_pipe = sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into());
    assert!(matches!(DatabaseError::from(broken_pipe), DatabaseError::Unavailable(_)));
    assert!(matches!(DatabaseError::from(sqlx::Error::RowNotFound), DatabaseError::Rejected(_)));
}

#[test]
fn only_outages_and_pending_migrations_are_transient() {
    assert!(DatabaseError::TimedOut.is_transient());
    assert!(DatabaseError::NotMigrated.is_transient());
    assert!(DatabaseError::Unavailable(sqlx::Error::PoolTimedOut).is_transient());
    assert!(!DatabaseError::Rejected(sqlx::Error::RowNotFound).is_transient());
    assert!(!DatabaseError::InvalidRow(String::new()).is_transient());
}
