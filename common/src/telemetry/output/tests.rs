use std::sync::mpsc;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// Accepts one write for each message of `permits`, and sends the written text to `lines`.
struct BlockingSink {
    permits: mpsc::Receiver<()>,
    lines: mpsc::Sender<String>,
}

impl Write for BlockingSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.permits.recv();
        let _ = self.lines.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn stopped_reader_does_not_block_writers_and_dropped_lines_are_reported() {
    let (permit, permits) = mpsc::channel();
    let (lines, written) = mpsc::channel();
    let output = Output::start(BlockingSink { permits, lines }).unwrap();
    let note = |count: u64| format!("dropped {count}\n");
    let block = "x".repeat(MAX_PENDING / 2);

    output.write("first\n", note);
    // After the thread has taken the first line, exactly two blocks fit into the buffer.
    while output.0.state().pending.len() + 2 * block.len() > MAX_PENDING {
        std::thread::yield_now();
    }
    for _ in 0..5 {
        output.write(&block, note);
    }
    assert!(!output.flush(Duration::from_millis(1)));
    permit.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap(), "first\n");
    permit.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap().len(), MAX_PENDING);
    assert!(output.flush(LIMIT));

    output.write("last\n", note);
    permit.send(()).unwrap();
    assert_eq!(written.recv_timeout(LIMIT).unwrap(), "dropped 3\nlast\n");
}
