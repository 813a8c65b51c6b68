//! Builds the manifest of a recording from those of its segments.
//!
//! A segment begins with all current participants and ends with its assignment or its node, so some events occur in
//! several segments, and those between two segments in none.

use shared::manifest::{Event, Row, SegmentManifest, SegmentSpan};
use shared::{ParticipantId, TrackId};
use std::collections::{BTreeMap, BTreeSet};

/// The content of the whole recording's manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The segments with their times.
    pub segments: Vec<SegmentSpan>,
    /// Events in order of time.
    pub rows: Vec<Row>,
}

impl Timeline {
    /// Merges the segments; `is_stored` returns true if a part's key is in storage.
    #[must_use]
    pub fn new(manifests: &[SegmentManifest], is_stored: impl Fn(&str) -> bool) -> Self {
        let mut manifests: Vec<&SegmentManifest> = manifests.iter().collect();
        manifests.sort_by_key(|manifest| manifest.epoch);
        let mut story = Story { last_epochs: last_epochs(&manifests), ..Story::default() };
        for entry in in_order(&manifests) {
            match entry.what {
                What::Begins(there) => story.begin(entry.at_ms, &there),
                What::Happens(row) => story.tell(entry.epoch, row, &is_stored),
            }
        }
        story.name_holes();
        story.end_tracks();
        story.rows.sort_by_key(|row| row.at_ms);
        Self { segments: manifests.into_iter().map(span).collect(), rows: story.rows }
    }
}

struct Entry<'a> {
    at_ms: u64,
    epoch: u64,
    what: What<'a>,
}

enum What<'a> {
    Begins(BTreeSet<&'a ParticipantId>),
    Happens(&'a Row),
}

/// All rows of the segments in order of time.
fn in_order<'a>(manifests: &[&'a SegmentManifest]) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for manifest in manifests {
        let epoch = manifest.epoch;
        let Some(at_ms) = manifest.rows.first().map(|row| row.at_ms) else { continue };
        let first = manifest.rows.iter().take_while(|row| row.at_ms == at_ms);
        let there =
            first.filter_map(
                |row| {
                    if let Event::Joined { participant, .. } = &row.event { Some(participant) } else { None }
                },
            );
        entries.push(Entry { at_ms, epoch, what: What::Begins(there.collect()) });
        let rows = manifest.rows.iter();
        entries.extend(rows.map(|row| Entry { at_ms: row.at_ms, epoch, what: What::Happens(row) }));
    }
    // At the same time, segments are ordered by epoch, and each keeps its own order.
    entries.sort_by_key(|entry| (entry.at_ms, entry.epoch));
    entries
}

fn last_epochs(manifests: &[&SegmentManifest]) -> BTreeMap<TrackId, u64> {
    let mut last = BTreeMap::new();
    for manifest in manifests {
        for row in &manifest.rows {
            if let Event::Track { track, .. } = &row.event {
                last.insert(track.clone(), manifest.epoch);
            }
        }
    }
    last
}

fn span(manifest: &SegmentManifest) -> SegmentSpan {
    let ends = manifest.rows.iter().map(|row| {
        let lasted_ms = if let Event::Part { duration_ms, .. } = &row.event { *duration_ms } else { 0 };
        row.at_ms + lasted_ms
    });
    SegmentSpan {
        epoch: manifest.epoch,
        node: manifest.node.clone(),
        starts_ms: manifest.rows.iter().map(|row| row.at_ms).min().unwrap_or(0),
        ends_ms: ends.max().unwrap_or(0),
        is_sealed: manifest.is_sealed,
    }
}

/// A playable part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Played {
    from_ms: u64,
    to_ms: u64,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Story {
    rows: Vec<Row>,
    last_epochs: BTreeMap<TrackId, u64>,
    present: BTreeSet<ParticipantId>,
    /// Open tracks; true if muted.
    open: BTreeMap<TrackId, bool>,
    played: BTreeMap<TrackId, Vec<Played>>,
}

impl Story {
    /// A segment begins with all current participants: missing ones have left since the last segment.
    fn begin(&mut self, at_ms: u64, there: &BTreeSet<&ParticipantId>) {
        let gone: Vec<ParticipantId> = self.present.iter().filter(|known| !there.contains(known)).cloned().collect();
        for participant in gone {
            self.present.remove(&participant);
            self.push(at_ms, Event::Left { participant });
        }
    }

    /// Adds the new information in a row.
    fn tell(&mut self, epoch: u64, row: &Row, is_stored: impl Fn(&str) -> bool) {
        let (at_ms, event) = (row.at_ms, row.event.clone());
        match &row.event {
            Event::Joined { participant, .. } => {
                if self.present.insert(participant.clone()) {
                    self.push(at_ms, event);
                }
            }
            Event::Left { participant } => {
                if self.present.remove(participant) {
                    self.push(at_ms, event);
                }
            }
            Event::Track { track, muted, .. } => match self.open.insert(track.clone(), *muted) {
                None => self.push(at_ms, event),
                Some(before) if before != *muted => {
                    self.push(at_ms, Event::Muted { track: track.clone(), muted: *muted });
                }
                Some(_) => {}
            },
            Event::TrackEnded { track } => {
                // It ended there because it moved.
                let goes_on = self.last_epochs.get(track).is_some_and(|last| *last > epoch);
                if !goes_on && self.open.remove(track).is_some() {
                    self.push(at_ms, event);
                }
            }
            Event::Muted { track, muted } => {
                if self.open.get_mut(track).is_some_and(|known| std::mem::replace(known, *muted) != *muted) {
                    self.push(at_ms, event);
                }
            }
            Event::Part { track, key, duration_ms, .. } => {
                if is_stored(key) {
                    let played = Played { from_ms: at_ms, to_ms: at_ms + duration_ms, epoch };
                    self.played.entry(track.clone()).or_default().push(played);
                    self.push(at_ms, event);
                } else {
                    self.push_hole(track, at_ms, *duration_ms);
                }
            }
            Event::Gap { .. } => self.push(at_ms, event),
        }
    }

    /// Adds gaps between the last part of a segment and the first one of the next.
    fn name_holes(&mut self) {
        let mut holes = Vec::new();
        for (track, played) in &mut self.played {
            played.sort_unstable();
            let pairs = played.windows(2).filter_map(|pair| <&[Played; 2]>::try_from(pair).ok());
            let moves = pairs.filter(|[before, after]| before.epoch != after.epoch && before.to_ms < after.from_ms);
            holes.extend(moves.map(|[before, after]| (track.clone(), before.to_ms, after.from_ms - before.to_ms)));
        }
        for (track, at_ms, lasted_ms) in holes {
            self.push_hole(&track, at_ms, lasted_ms);
        }
    }

    /// Ends the tracks of a lost node with their last data.
    fn end_tracks(&mut self) {
        for track in std::mem::take(&mut self.open).into_keys() {
            let ends = self.played.get(&track).into_iter().flatten().map(|played| played.to_ms);
            let begins = |row: &&Row| matches!(&row.event, Event::Track { track: of, .. } if *of == track);
            let began = self.rows.iter().filter(begins).map(|row| row.at_ms);
            let at_ms = ends.chain(began).max().unwrap_or(0);
            self.push(at_ms, Event::TrackEnded { track });
        }
    }

    fn push_hole(&mut self, track: &TrackId, at_ms: u64, lasted_ms: u64) {
        self.push(at_ms, Event::Gap { track: track.clone(), packets: None, lasted_ms });
    }

    fn push(&mut self, at_ms: u64, event: Event) {
        self.rows.push(Row { at_ms, event });
    }
}

#[cfg(test)]
mod tests;
