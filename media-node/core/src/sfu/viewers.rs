//! Sums up the needs of a track's viewers for its publisher: the layers, or the maximum bitrate.

use super::{Output, Sfu, Timer};
use crate::ingress::track::Track;
use crate::ingress::wanted::LayerSet;
use crate::keys::{SessionKey, TrackKey};
use crate::session::Cap;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(200);
/// A publisher is never capped below this: its viewers' video is paused instead.
const CAP_BPS_MIN: u64 = 100_000;
/// A cap that exceeds the rate before it by this much, in percent, is lifted.
const LIFT_PERCENT: u64 = 130;
/// The share of the fitting rate that is requested, in percent: encoders fluctuate.
const FIT_PERCENT: u64 = 95;
/// Allowed growth of media besides a capped video, in percent.
const OTHERS_PERCENT: u64 = 110;
/// Smaller changes of a cap, in percent, are not sent.
const CHANGE_PERCENT: u64 = 5;

impl Sfu {
    pub(super) fn sum_up_viewers(&mut self, now: Instant, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        self.deadlines.set(Timer::Viewers(key), Some(now + INTERVAL));
        if track.single().is_some() {
            self.set_cap(now, key);
            return;
        }
        let needed = self.layers_needed(track);
        if self.tracks.get_mut(key).is_some_and(|track| track.wanted.update(now, needed)) {
            self.tell_layers(key);
        }
    }

    /// Sums up the needs of a layered track's viewers without delay, and once for all wishes of a message.
    pub(super) fn note_wish(&mut self, now: Instant, track: Option<TrackKey>) {
        let timer = track.filter(|key| self.tracks.get(*key).is_some_and(|track| track.single().is_none()));
        if let Some(timer) = timer.map(Timer::Viewers).filter(|timer| self.deadlines.is_set(*timer)) {
            self.deadlines.set(timer, Some(now));
        }
    }

    /// The layers of a track that its viewers and the recorder can use. All layers smaller than the largest of them are
    /// needed too: a viewer whose downlink becomes too slow falls back on them.
    fn layers_needed(&self, track: &Track) -> LayerSet {
        if track.tap.is_some() {
            return LayerSet::MAX;
        }
        let lines: Vec<u16> =
            track.streams().map(|key| self.streams.get(key).map_or(0, |stream| stream.lines())).collect();
        let viewers = track.viewers.iter().filter_map(|viewer| {
            let slot = self.sessions.get(viewer.session)?.slots.get(usize::from(viewer.slot))?;
            let lines_max = slot.wish.as_ref()?.lines_max.unwrap_or(u16::MAX);
            // If nobody can decode it, the smallest layer shows when its codec changes.
            Some(if slot.is_undecodable { 1 } else { lines_max })
        });
        // Places without a layer are in every set.
        let no_layers = LayerSet::MAX.checked_shl(lines.len() as u32).unwrap_or(0);
        let Some(tile) = viewers.max() else { return no_layers };
        let enough = lines.iter().filter(|lines| **lines >= tile).min().copied().unwrap_or(u16::MAX);
        // A layer that was never sent has 0 lines: it may be needed.
        lines
            .iter()
            .enumerate()
            .filter(|(_, lines)| **lines <= enough)
            .fold(no_layers, |set, (place, _)| set | 1 << place)
    }

    pub(super) fn tell_layers(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key).filter(|track| track.single().is_none()) else { return };
        let room = self.sessions.get(track.publisher).and_then(|session| self.rooms.get(session.room));
        let Some(room) = room.map(|room| room.id.clone()) else { return };
        let wanted = (0..track.layers.len()).filter(|place| track.wanted.contains(*place));
        let rids = wanted.filter_map(|place| track.rid(place)).map(str::to_owned).collect();
        let (session, mid) = (track.reference.session.clone(), track.reference.mid.clone());
        self.outputs.push_back(Output::LayersWanted { room, session, mid, rids });
    }

    /// Caps the publisher of a single-layer track that is too large for every viewer, so that the track is not paused
    /// everywhere. The cap is low enough for the slots of its viewers to resume.
    ///
    /// The cap applies to all of its videos together. libwebrtc divides it between them: each gets the same, unless it
    /// needs less. So the others are allowed as much as this one, or their need.
    fn set_cap(&mut self, now: Instant, key: TrackKey) {
        let Some(publisher) = self.tracks.get(key).map(|track| track.publisher) else { return };
        let tracks: Vec<_> = self.video_tracks_of(publisher).collect();
        let Some((fit_bps, sent_bps)) = self.tightest(now, &tracks) else { return self.cap(publisher, None) };
        let fit_bps = fit_bps * FIT_PERCENT / 100;
        let others = tracks.len().saturating_sub(1) as u64;
        let total_bps: u64 = tracks.iter().map(|key| self.sent_bps(now, *key)).sum();
        let needed_bps = total_bps.saturating_sub(sent_bps).saturating_mul(OTHERS_PERCENT) / 100;
        let bps = fit_bps.saturating_add(needed_bps.min(fit_bps.saturating_mul(others)));
        let before = self.sessions.get(publisher).and_then(|session| session.cap);
        let cap = match before {
            None if fit_bps < sent_bps => Some(Cap { bps, uncapped_bps: sent_bps }),
            Some(cap) if fit_bps < cap.uncapped_bps.saturating_mul(LIFT_PERCENT) / 100 => {
                let is_changed = bps.abs_diff(cap.bps) > cap.bps * CHANGE_PERCENT / 100;
                Some(if is_changed { Cap { bps, ..cap } } else { cap })
            }
            None | Some(_) => None,
        };
        self.cap(publisher, cap);
    }

    fn cap(&mut self, publisher: SessionKey, cap: Option<Cap>) {
        let Some(session) = self.sessions.get_mut(publisher) else { return };
        if std::mem::replace(&mut session.cap, cap) != cap {
            self.report_cap(publisher);
        }
    }

    /// The single-layer track that has to shrink most for its viewers: the bit rate that fits them, and its present one.
    fn tightest(&mut self, now: Instant, tracks: &[TrackKey]) -> Option<(u64, u64)> {
        let mut tightest: Option<(u64, u64)> = None;
        for key in tracks {
            let track = self.tracks.get(*key).filter(|track| track.single().is_some());
            let fit_bps = track.and_then(|track| self.largest_fit_bps(track)).filter(|bps| *bps >= CAP_BPS_MIN);
            let Some(fit_bps) = fit_bps else { continue };
            let sent_bps = self.sent_bps(now, *key);
            let is_tighter = |(known_bps, of_bps): (u64, u64)| {
                u128::from(sent_bps) * u128::from(known_bps) > u128::from(of_bps) * u128::from(fit_bps)
            };
            if tightest.is_none_or(is_tighter) {
                tightest = Some((fit_bps, sent_bps));
            }
        }
        tightest
    }

    fn sent_bps(&mut self, now: Instant, key: TrackKey) -> u64 {
        let Self { tracks, streams, .. } = self;
        let layers = tracks.get(key).into_iter().flat_map(Track::streams);
        layers.map(|key| streams.get_mut(key).map_or(0, |stream| stream.bitrate_bps(now))).sum()
    }

    /// The highest possible need of a track for one of its viewers; `None` if one has no limit, the recorder takes it,
    /// or nobody watches.
    fn largest_fit_bps(&self, track: &Track) -> Option<u64> {
        if track.tap.is_some() {
            return None;
        }
        let mut largest = None;
        for viewer in &track.viewers {
            let session = self.sessions.get(viewer.session)?;
            session.estimate?;
            let slot = session.slots.get(usize::from(viewer.slot))?;
            if slot.is_undecodable {
                continue;
            }
            let grant = slot.grant?;
            largest = largest.max(Some(grant.fit_bps));
        }
        largest
    }
}
