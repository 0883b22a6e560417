use super::*;

#[test]
fn broken_connection_is_described_in_plain_words() {
    let io = |kind: std::io::ErrorKind| tungstenite::Error::Io(kind.into());
    for (error, expected) in [
        (
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            "failed: the exchange closed the connection without notice",
        ),
        (io(std::io::ErrorKind::ConnectionReset), "failed: IO error: the connection was closed"),
    ] {
        assert_eq!(connection_error(&error).to_string(), expected);
    }
}
