//! Writes parts and rows into the spool: while that fails they wait in memory, and parts that do not fit become gaps.

use super::spool::{Space, Spool, is_full};
use anyhow::Result;
use media_core::record::segment::Output;
use shared::ErrorCode;
use shared::manifest::{Event, Row};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most bytes of one segment waiting for the disk: two minutes of a publisher at 2 Mbit/s.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most waiting rows; later ones are lost.
const WAITING_MAX: usize = 100_000;

/// Writes one segment to disk, in order.
#[derive(Debug)]
pub(super) struct Keeper {
    spool: Spool,
    space: Arc<Space>,
    waiting: VecDeque<Output>,
    waiting_bytes: usize,
}

impl Keeper {
    pub(super) fn new(spool: Spool, space: Arc<Space>) -> Self {
        Self { spool, space, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Takes parts and rows to write.
    pub(super) fn keep(&mut self, output: Output) {
        if self.waiting.len() >= WAITING_MAX {
            return;
        }
        self.waiting_bytes += bytes(&output);
        self.waiting.push_back(output);
    }

    /// Writes everything that waits; returns the reason if that failed.
    pub(super) fn write(&mut self) -> Result<(), ErrorCode> {
        while let Some(output) = self.waiting.front() {
            if let Err(error) = write(&mut self.spool, &self.space, output) {
                tracing::debug!(error = format!("{error:#}"), "writing failed, retrying");
                self.give_up_most();
                return Err(if is_full(&error) { ErrorCode::DiskFull } else { ErrorCode::StorageUnavailable });
            }
            self.waiting_bytes -= bytes(output);
            self.waiting.pop_front();
        }
        Ok(())
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Turns the oldest parts into gaps until the rest fits into memory. A part's row follows it, if it is there
    /// already.
    fn give_up_most(&mut self) {
        while self.waiting_bytes > WAITING_BYTES_MAX {
            let is_given_up = |pair: &[&Output]| matches!(pair, [Output::Part { .. }, Output::Row(_)]);
            let outputs: Vec<&Output> = self.waiting.iter().collect();
            let Some(place) = outputs.windows(2).position(is_given_up) else { return };
            let Some(part) = self.waiting.remove(place) else { return };
            self.waiting_bytes -= bytes(&part);
            tracing::error!(bytes = bytes(&part), "a part of a recording could not be written and is lost");
            if let Some(Output::Row(row)) = self.waiting.get_mut(place) {
                *row = lost(row);
            }
        }
    }
}

fn bytes(output: &Output) -> usize {
    match output {
        Output::Part { bytes, .. } => bytes.len(),
        Output::Row(_) | Output::WantKeyframe(_) => 0,
    }
}

fn write(spool: &mut Spool, space: &Space, output: &Output) -> Result<()> {
    match output {
        Output::Part { key, bytes } => {
            let taken = space.take(bytes.len() as u64)?;
            spool.part(key, bytes)?;
            taken.keep();
            Ok(())
        }
        Output::Row(row) => spool.row(row),
        Output::WantKeyframe(_) => Ok(()),
    }
}

/// The row that replaces that of a lost part.
fn lost(row: &Row) -> Row {
    match &row.event {
        Event::Part { track, duration_ms, .. } => {
            let event = Event::Gap { track: track.clone(), packets: None, lasted_ms: *duration_ms };
            Row { at_ms: row.at_ms, event }
        }
        _ => row.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::control::RecordingOrder;
    use shared::{NodeId, RecordingId, RoomId, TrackId, UnixMillis};
    use std::fs;
    use std::path::PathBuf;

    const PREFIX: &str = "recordings/daily/rec/";

    fn track() -> TrackId {
        TrackId::parse("t1").expect("an id")
    }

    /// A part of this length, and its row.
    fn part(number: u64, length: usize) -> [Output; 2] {
        let key = format!("{PREFIX}segments/7/parts/t1/{number:06}-{number}.webm");
        let event =
            Event::Part { track: track(), key: key.clone(), duration_ms: 5_000, bytes: length as u64, crc32: 0 };
        [Output::Part { key, bytes: vec![7; length] }, Output::Row(Row { at_ms: number, event })]
    }

    struct Disk {
        root: PathBuf,
        keeper: Keeper,
    }

    impl Disk {
        fn new(name: &str, bytes_max: u64) -> Self {
            let root = std::env::temp_dir().join(format!("rotunda-keeper-{}-{name}", std::process::id()));
            fs::create_dir_all(&root).expect("a temporary folder");
            let order = RecordingOrder {
                recording: RecordingId::parse("rec").expect("an id"),
                key_prefix: PREFIX.into(),
                started_at: UnixMillis(0),
                sent_at: UnixMillis(0),
                trace: None,
                participants: Vec::new(),
            };
            let (node, room) = (NodeId::parse("media-1").expect("an id"), RoomId::parse("daily").expect("an id"));
            let spool = Spool::new(&root, &node, &room, 7, &order);
            Self { root, keeper: Keeper::new(spool, Arc::new(Space::of(bytes_max))) }
        }

        fn keep(&mut self, number: u64, length: usize) -> bool {
            part(number, length).into_iter().for_each(|output| self.keeper.keep(output));
            self.keeper.write().is_ok()
        }

        /// Parts on disk, and rows: `p` for a part, `g` for a gap.
        fn written(&self) -> (usize, String) {
            let folder = self.keeper.spool.folder();
            let rows = folder.manifest(false).expect("reads").rows;
            let word = |row: &Row| if matches!(row.event, Event::Gap { .. }) { 'g' } else { 'p' };
            (folder.parts().expect("reads").len(), rows.iter().map(word).collect())
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            // The system cleans up after a failed test.
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    #[test]
    fn what_cannot_be_written_is_written_later() {
        let mut disk = Disk::new("later", u64::MAX);
        assert!(disk.keep(0, 10));
        let parts = disk.root.join("rec-7/parts");
        fs::rename(&parts, disk.root.join("away")).expect("renames");
        assert!(!disk.keep(1, 10));
        assert!(!disk.keep(2, 10));
        fs::rename(disk.root.join("away"), &parts).expect("renames");
        assert!(disk.keep(3, 10));
        assert_eq!(disk.written(), (4, "pppp".into()));
    }

    #[test]
    fn a_full_spool_takes_nothing_until_something_is_stored() {
        let mut disk = Disk::new("full", 25);
        assert!(disk.keep(0, 10));
        assert!(disk.keep(1, 10));
        assert!(!disk.keep(2, 10));
        assert_eq!(disk.written(), (2, "pp".into()));
        disk.keeper.space.give_back(10);
        assert!(disk.keeper.write().is_ok());
        assert_eq!(disk.written(), (3, "ppp".into()));
    }

    #[test]
    fn what_does_not_fit_into_memory_is_a_gap() {
        let mut disk = Disk::new("gap", 0);
        for number in 0..4 {
            assert!(!disk.keep(number, WAITING_BYTES_MAX / 2 - 1));
        }
        let space = Arc::new(Space::of(u64::MAX));
        disk.keeper.space = space;
        assert!(disk.keeper.write().is_ok());
        assert_eq!(disk.written(), (2, "ggpp".into()));
    }
}
