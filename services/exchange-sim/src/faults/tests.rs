use super::*;

/// Checks a fault. The error lists the wrong fields, separated by commas.
fn check(new: &NewFault) -> Result<Fault, String> {
    let fields = |errors: Vec<FieldError>| errors.into_iter().map(|error| error.field).collect::<Vec<_>>().join(",");
    Fault::new(new, Timestamp::now()).map_err(fields)
}

#[test]
fn absent_parameters_have_defaults() {
    let fault = check(&NewFault::new(FaultKind::LieFactor)).unwrap();
    assert_eq!((fault.factor.to_string().as_str(), fault.until.since(fault.since).as_secs()), ("0.4", 60));
    assert_eq!(check(&NewFault::new(FaultKind::Slow)).unwrap().latency(), Duration::from_secs(20));
    assert_eq!(check(&NewFault::new(FaultKind::Throttled)).unwrap().latency(), Duration::from_secs(1));
    assert_eq!(check(&NewFault::new(FaultKind::IpBanned)).unwrap().retry_after(), Some(120));
    assert_eq!(check(&NewFault::new(FaultKind::RateLimited)).unwrap().retry_after(), None);
}

#[test]
fn invalid_parameters_are_refused() {
    let new_fault = NewFault::new;
    for seconds in [0, MAX_SECONDS + 1] {
        assert_eq!(
            check(&NewFault { seconds: Some(seconds), ..new_fault(FaultKind::Down) }),
            Err("seconds".to_owned())
        );
    }
    for factor in ["0", "-1", "1001", "half"] {
        let lie = NewFault { factor: Some(factor.into()), ..new_fault(FaultKind::LieFactor) };
        assert_eq!(check(&lie), Err("factor".to_owned()), "{factor}");
    }
    let down = new_fault(FaultKind::Down);
    for (new, field) in [
        (NewFault { factor: Some("2".into()), ..down.clone() }, "factor"),
        (NewFault { direction: "BTC-USD".parse().ok(), ..down.clone() }, "direction"),
        (NewFault { retry_after: Some(30), ..down.clone() }, "retry_after"),
        (NewFault { retry_after: Some(0), ..new_fault(FaultKind::RateLimited) }, "retry_after"),
        (NewFault { latency_millis: Some(25_001), ..new_fault(FaultKind::Slow) }, "latency_millis"),
        (NewFault { status: Some(200), ..new_fault(FaultKind::Html520) }, "status"),
        (NewFault { days: Some(0), ..new_fault(FaultKind::OldFixing) }, "days"),
        (NewFault { skew_seconds: Some(i64::MIN), ..new_fault(FaultKind::ClockSkew) }, "skew_seconds"),
        (NewFault { time_form: Some(TimeFormat::Iso), ..new_fault(FaultKind::OddNumbers) }, "time_form"),
        (NewFault { seconds: Some(0), days: Some(0), status: Some(1), ..down.clone() }, "status,days,seconds"),
    ] {
        assert_eq!(check(&new), Err(field.to_owned()), "{new:?}");
    }
}

#[test]
fn direction_limits_fault_to_one_pair() {
    let [usd, eur] = ["BTC-USD", "BTC-EUR"].map(|text| text.parse::<CurrencyPair>().unwrap());
    let fault = check(&NewFault { direction: Some(usd), ..NewFault::new(FaultKind::Frozen) }).unwrap();
    assert!(fault.applies_to(usd) && !fault.applies_to(eur));
    assert!(check(&NewFault::new(FaultKind::Frozen)).unwrap().applies_to(eur));
}
