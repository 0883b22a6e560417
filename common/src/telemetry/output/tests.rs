use std::sync::mpsc;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// Takes a line whenever it is let, and hands it on.
struct Sink {
    gate: mpsc::Receiver<()>,
    lines: mpsc::Sender<String>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.gate.recv();
        let _ = self.lines.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_stopped_stops_nobody_and_the_loss_is_told() {
    let (open, gate) = mpsc::channel();
    let (lines, written) = mpsc::channel();
    let output = Output::start(Sink { gate, lines }).unwrap();
    let note = |lost: u64| format!("lost {lost}\n");
    let block = "x".repeat(MAX_PENDING / 2);

    output.write("first\n", note);
    // The thread has taken it once there is room for two blocks; then a third finds none.
    while output.0.state().pending.len() + 2 * block.len() > MAX_PENDING {
        std::thread::yield_now();
    }
    for _ in 0..5 {
        output.write(&block, note);
    }
    assert!(!output.flush(Duration::from_millis(1)));
    open.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap(), "first\n");
    open.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap().len(), MAX_PENDING);
    assert!(output.flush(LIMIT));

    output.write("last\n", note);
    open.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap(), "lost 3\nlast\n");
}
