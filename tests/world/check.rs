//! Invariants of every world; violations are collected until a test asks.

use crate::clock::Clock;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

/// Violations kept verbatim; a broken core causes thousands of the same kind.
const KEPT_MAX: usize = 20;

/// Violations of invariants, shared by all checkers.
#[derive(Clone, Debug, Default)]
pub struct Breaches {
    kept: Rc<RefCell<Vec<(Duration, String)>>>,
    more: Rc<RefCell<usize>>,
}

impl Breaches {
    pub fn add(&self, clock: &Clock, breach: String) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push((clock.elapsed(), breach));
        } else {
            *self.more.borrow_mut() += 1;
        }
    }

    /// All violations as text, one per line; `None` if there are none.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let kept = self.kept.borrow();
        let mut text = String::new();
        for (at, breach) in kept.iter() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:8.3} s  {breach}", at.as_secs_f64());
        }
        match *self.more.borrow() {
            0 => {}
            more => text.push_str(&format!("and {more} more\n")),
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A picture without a new frame for longer counts as frozen.
pub const FROZEN: Duration = Duration::from_millis(500);

/// The steadiness of one source at one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Frames decoded, or audio packets played, since the last mark.
    pub frames: u64,
    /// Longest time between two of them since the last mark.
    pub longest_gap: Duration,
    /// Sum of the gaps longer than [`FROZEN`].
    pub frozen: Duration,
    pub last: Clock,
    /// The number of the last one at its publisher.
    pub frame: u32,
    /// Lines of the current picture; 0 for audio.
    pub lines: u16,
    pub resized: Clock,
}

/// Everything that one browser decoded, by source.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    seen: BTreeMap<SourceName, Seen>,
}

/// A participant's published section, as named in every packet of a simulated publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceName(pub u64);

impl SourceName {
    /// The name of a participant's section (FNV-1a, so that it fits a packet).
    #[must_use]
    pub fn of(participant: &str, mid: &str) -> Self {
        let bytes = participant.bytes().chain([b'/']).chain(mid.bytes());
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}

impl Watch {
    /// Counts a decoded frame or audio packet.
    pub fn note(&mut self, clock: &Clock, source: SourceName, frame: u32) {
        let seen = self.seen.entry(source).or_insert(Seen {
            frames: 0,
            longest_gap: Duration::ZERO,
            frozen: Duration::ZERO,
            last: *clock,
            frame,
            lines: 0,
            resized: *clock,
        });
        let gap = clock.now().duration_since(seen.last.now());
        seen.longest_gap = seen.longest_gap.max(gap);
        seen.frozen += if gap > FROZEN { gap } else { Duration::ZERO };
        (seen.last, seen.frame) = (*clock, frame);
        seen.frames += 1;
    }

    /// Records that a source shows pictures with this many lines.
    pub fn note_lines(&mut self, clock: &Clock, source: SourceName, lines: u16) {
        if let Some(seen) = self.seen.get_mut(&source).filter(|seen| seen.lines != lines) {
            (seen.lines, seen.resized) = (lines, *clock);
        }
    }

    #[must_use]
    pub fn of(&self, source: SourceName) -> Option<Seen> {
        self.seen.get(&source).copied()
    }

    /// Resets all statistics.
    pub fn mark(&mut self) {
        for seen in self.seen.values_mut() {
            seen.frames = 0;
            seen.longest_gap = Duration::ZERO;
            seen.frozen = Duration::ZERO;
        }
    }
}
