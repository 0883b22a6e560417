use super::*;

#[test]
fn errors_of_the_operating_system_have_no_number() {
    let texts: Vec<_> = (1..=133).map(|number| describe_io_error(&io::Error::from_raw_os_error(number))).collect();
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains("os error")), "{texts:?}");
    assert!(texts.iter().any(|text| text == "the disk is full"), "{texts:?}");
}

#[test]
fn custom_error_keeps_its_message_except_a_failed_look_up_of_a_host() {
    assert_eq!(describe_io_error(&io::Error::other("the stream is silent")), "the stream is silent");
    let lookup = io::Error::other("failed to lookup address information: Name or service not known");
    assert_eq!(describe_io_error(&lookup), "its host name is unknown");
}

#[test]
fn response_without_tls_is_described() {
    let cause = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    let error = io::Error::new(ErrorKind::InvalidData, cause);
    assert!(describe_io_error(&error).starts_with("it does not use TLS"), "{error}");
}

#[test]
fn missing_folder_is_named() {
    let describe = |path: &str| describe_file_error(Path::new(path), &std::fs::read(path).unwrap_err());
    assert_eq!(describe("/proc/no/such"), "the folder /proc/no does not exist");
    assert_eq!(describe("/proc/no"), "it does not exist");
    assert_eq!(describe("/proc"), "it is a folder");
    assert_eq!(describe("/proc/self/status/no"), "a part of the path is a file and not a folder");
}
