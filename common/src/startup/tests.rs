use super::*;

#[tokio::test(start_paused = true)]
async fn outage_causes_one_warning_after_the_start() {
    let mut outage = OutageLog::default();
    assert_eq!(outage.record_failure(), Some(OutageLine::NotYet));
    assert_eq!(outage.record_failure(), None);
    tokio::time::advance(STARTUP_GRACE).await;
    assert_eq!(outage.record_failure(), Some(OutageLine::Outage));
    assert_eq!(outage.record_failure(), None);
    assert!(outage.record_success());
    assert!(!outage.record_success());
    assert_eq!(outage.record_failure(), Some(OutageLine::Outage), "the next outage must cause a warning");
}

#[tokio::test(start_paused = true)]
async fn component_that_becomes_available_during_the_start_causes_no_warning() {
    let mut outage = OutageLog::default();
    outage.record_failure();
    assert!(outage.record_success());
    tokio::time::advance(STARTUP_GRACE).await;
    assert!(!outage.record_success());
}
