//! Log lines on standard error, as text for people or as JSON for programs.
//!
//! A separate thread writes the lines: an unread pipe blocks its writer, which must not be a thread that forwards
//! media.

use crate::settings::{LogFormat, Logs};
use crate::traces::Spans;
use anyhow::{Context, anyhow};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Maximum number of queued lines; further lines are dropped, and counted in the next line.
const LINES_MAX: usize = 4_096;
/// Maximum wait at exit for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes log lines until the returned value is dropped.
pub fn start(logs: &Logs) -> anyhow::Result<Lines> {
    start_with(logs, None)
}

/// Like [`start`]; lines of a client's trace are also exported.
pub fn start_with(logs: &Logs, spans: Option<Spans>) -> anyhow::Result<Lines> {
    let filter: Targets = logs.filter.parse().context("reading the log filter")?;
    let most = filter.iter().map(|(_, level)| level).chain(filter.default_level()).max();
    let (lines, queue) = Lines::start(io::stderr()).context("starting the log's thread")?;
    let layer = tracing_subscriber::fmt().with_max_level(most.unwrap_or(LevelFilter::OFF)).with_writer(queue);
    let result = match logs.format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).finish().with(spans).with(filter).try_init(),
        LogFormat::Json => layer.json().flatten_event(true).finish().with(spans).with(filter).try_init(),
    };
    result.map_err(|error| anyhow!(error)).context("starting the log")?;
    Ok(lines)
}

/// The writing thread; dropping this waits briefly for queued lines.
#[must_use]
#[derive(Debug)]
pub struct Lines {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// A line, or `None` to write all earlier lines and stop.
type Entry = Option<Vec<u8>>;

#[derive(Clone, Debug)]
struct Queue {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Queue)> {
        let (entries, received) = sync_channel(LINES_MAX);
        let queue = Queue { entries, lost: Arc::default() };
        let lost = Arc::clone(&queue.lost);
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&received, &lost, out))?;
        Ok((Self { queue: queue.clone(), thread: Some(thread) }, queue))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let until = Instant::now() + FLUSH_TIMEOUT;
        let Some(thread) = self.thread.take() else { return };
        // A full queue means that nobody reads standard error: the remaining lines are lost too.
        while self.queue.entries.try_send(None).is_err() || !thread.is_finished() {
            if thread.is_finished() || Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Writes lines until the first `None`.
fn write_all(received: &Receiver<Entry>, lost: &AtomicU64, mut out: impl Write) {
    loop {
        match received.recv_timeout(Duration::from_secs(1)) {
            Ok(Some(line)) => {
                let count = lost.swap(0, Ordering::Relaxed);
                if count > 0 {
                    // There is nowhere to report that this failed.
                    let _ = writeln!(out, "{count} log lines were lost: standard error is not read");
                }
                let _ = out.write_all(&line);
            }
            Ok(None) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Each event is written with one call.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.entries.try_send(Some(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    /// A pipe that nobody reads until it is opened.
    #[derive(Clone, Default)]
    #[expect(clippy::type_complexity, reason = "a lock and its condition")]
    struct Pipe(Arc<(Mutex<(bool, Vec<u8>)>, Condvar)>);

    impl Pipe {
        fn open(&self) {
            self.0.0.lock().expect("no panic").0 = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().expect("no panic").1.clone()).expect("text")
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().expect("no panic");
            let mut state = self.0.1.wait_while(state, |(is_open, _)| !*is_open).expect("no panic");
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(queue: &mut Queue, number: usize) {
        queue.write_all(format!("line {number}\n").as_bytes()).expect("never fails");
    }

    #[test]
    fn a_pipe_that_nobody_reads_blocks_nobody() {
        let pipe = Pipe::default();
        let (lines, queue) = Lines::start(pipe.clone()).expect("a thread");
        let mut writer = queue.clone();
        let writing = std::thread::spawn(move || (0..3 * LINES_MAX).for_each(|number| line(&mut writer, number)));
        let until = Instant::now() + Duration::from_secs(30);
        while !writing.is_finished() {
            assert!(Instant::now() < until, "the writer waits for the pipe");
            std::thread::sleep(Duration::from_millis(1));
        }
        pipe.open();
        // The queued lines are written, which makes room for this one.
        while queue.entries.try_send(Some(b"the last\n".to_vec())).is_err() {
            std::thread::yield_now();
        }
        drop(lines);
        let text = pipe.text();
        assert!(text.starts_with("line 0\n") || text.contains("\nline 0\n"), "{}", &text[..80]);
        assert!(text.contains("log lines were lost"));
        assert!(text.ends_with("the last\n"));
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let pipe = Pipe::default();
        pipe.open();
        let (lines, mut queue) = Lines::start(pipe.clone()).expect("a thread");
        (0..100).for_each(|number| line(&mut queue, number));
        drop(lines);
        assert_eq!(pipe.text().lines().count(), 100);
    }
}
