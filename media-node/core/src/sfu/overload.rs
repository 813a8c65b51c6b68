//! Handles a publisher's link that suddenly carries less: nothing is repaired in the meantime, and every
//! video restarts.

use super::{Sfu, Timer};
use crate::congestion::overload::Change;
use crate::ingress::receive::Receiver;
use crate::ingress::stream::Stream;
use crate::ingress::track::Track;
use crate::keys::{SessionKey, StreamKey, TrackKey};
use crate::session::Session;
use shared::rtp_parameters::MediaKind;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Browsers send a layer only if this much of its usual rate is left for it, in percent.
const LAYER_MIN_PERCENT: u64 = 40;
/// Delay of requests to a publisher whose link is busy.
const POSTPONED: Duration = Duration::from_millis(20);

impl Sfu {
    /// Handles a packet's information about its publisher's link.
    pub(super) fn note_overload(&mut self, now: Instant, key: SessionKey, change: Change) {
        let tracks: Vec<_> = self.video_tracks_of(key).collect();
        let Some(uplink) = self.sessions.get_mut(key).and_then(|session| session.uplink.as_mut()) else { return };
        uplink.note(now, change);
        self.report_cap(key);
        if let Change::Overloaded { .. } = change {
            self.stats.uplink_overloads += 1;
            self.begin_pictures_anew(now, key, &tracks);
        }
        for stream in self.streams_of(&tracks) {
            self.give_up_useless_losses(stream);
        }
    }

    /// Handles the start of a key frame. A layer that was stopped begins with one: viewers who can have that layer take
    /// it at once, or they would have to request another.
    pub(super) fn note_keyframe(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(session) = self.sessions.get(stream.publisher) else { return };
        if session.uplink.as_ref().is_some_and(|uplink| uplink.overload.hides_losses(now)) {
            stream.give_up_earlier_losses();
        }
        let limit_bps = session.limit_bps().unwrap_or(u64::MAX);
        let Some(track) = self.tracks.get_mut(stream.track) else { return };
        if track.note_keyframe(now, key, limit_bps) {
            let viewers: BTreeSet<_> = track.viewers.iter().map(|viewer| viewer.session).collect();
            viewers.into_iter().for_each(|session| self.select_streams(now, session));
        }
    }

    /// Raises the limit after a second. The following report contains a new limit; the end of a limit is not reported.
    pub(super) fn ease_relief(&mut self, key: SessionKey) {
        let uplink = self.sessions.get_mut(key).and_then(|session| session.uplink.as_mut());
        if uplink.is_some_and(|uplink| uplink.ease()) {
            self.report_cap(key);
        }
    }

    /// The time at which a publisher may be asked for losses or key frames; `None` means now.
    pub(super) fn postponed(&self, now: Instant, publisher: SessionKey) -> Option<Instant> {
        let uplink = self.sessions.get(publisher)?.uplink.as_ref()?;
        uplink.overload.is_busy(now).then(|| now + POSTPONED)
    }

    /// True if a key frame has arrived since its publisher's link is busy: viewers have taken it, so its losses and later
    /// ones are worth requesting. Not every browser holds it back until the queue is empty.
    pub(super) fn has_begun_anew(&self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.get(key) else { return false };
        let uplink = self.sessions.get(stream.publisher).and_then(|session| session.uplink.as_ref());
        let busy_since = uplink.and_then(|uplink| uplink.overload.busy_since());
        busy_since.is_some_and(|since| stream.keyframes.has_arrived_since(since))
    }

    /// Viewers start with the smallest layer, whose key frame is soon there, and rise to layers that prove to be still
    /// sent.
    fn begin_pictures_anew(&mut self, now: Instant, publisher: SessionKey, tracks: &[TrackKey]) {
        let sound_bps = self.sound_bps(now, publisher);
        let mut viewers = BTreeSet::new();
        for key in tracks {
            let smallest = self.set_needs(now, *key, sound_bps);
            let Some(track) = self.tracks.get_mut(*key) else { continue };
            track.doubt_all_but(now, smallest);
            viewers.extend(track.viewers.iter().map(|viewer| viewer.session));
        }
        viewers.into_iter().for_each(|session| self.select_streams(now, session));
        tracks.iter().for_each(|key| self.ask_for_new_start(now, *key));
    }

    /// Requests the key frames with which a track's viewers begin anew. A small one is requested at once: it is encoded at
    /// the new rate, and waits in the browser until the link's queue is empty.
    fn ask_for_new_start(&mut self, now: Instant, track: TrackKey) {
        let is_layered = self.tracks.get(track).is_some_and(Track::is_layered);
        for key in self.streams_of(&[track]) {
            if !self.is_needed(key) {
                continue;
            }
            self.streams.get_mut(key).into_iter().for_each(|stream| stream.keyframes.want());
            if is_layered {
                self.ask_busy_for_keyframe(now, key);
            } else {
                self.ask_for_keyframe(now, key);
            }
        }
    }

    /// Notes the limit of its publisher that each layer of a track needs; returns the smallest layer that is sent.
    fn set_needs(&mut self, now: Instant, key: TrackKey, sound_bps: u64) -> Option<StreamKey> {
        let Self { tracks, streams, .. } = self;
        let track = tracks.get_mut(key)?;
        let mut layers: Vec<_> = track.streams().collect();
        layers.retain(|key| streams.get(*key).is_some_and(|stream| stream.lines() > 0));
        layers.sort_by_key(|key| streams.get(*key).map(Stream::lines));
        let mut below_bps = sound_bps;
        for key in &layers {
            let bps = streams.get_mut(*key).map_or(0, |stream| stream.bitrate_bps(now));
            track.set_need(*key, below_bps + bps * LAYER_MIN_PERCENT / 100);
            below_bps += bps;
        }
        layers.first().copied()
    }

    fn sound_bps(&mut self, now: Instant, publisher: SessionKey) -> u64 {
        let Self { sessions, tracks, streams, .. } = self;
        let published = sessions.get(publisher).into_iter().flat_map(|session| &session.tracks);
        let sounds = published.filter_map(|key| tracks.get(*key)).filter(|track| track.kind == MediaKind::Audio);
        sounds
            .flat_map(Track::streams)
            .map(|key| streams.get_mut(key).map_or(0, |stream| stream.bitrate_bps(now)))
            .sum()
    }

    /// Losses before a requested key frame, or on a layer that viewers are about to leave, are not worth requesting.
    fn give_up_useless_losses(&mut self, key: StreamKey) {
        let awaits_keyframe = self.streams.get(key).is_some_and(|stream| stream.keyframes.is_wanted());
        if awaits_keyframe || !self.is_needed(key) {
            self.give_up_losses(key);
        }
    }

    pub(super) fn give_up_losses(&mut self, key: StreamKey) {
        let receiver = self.streams.get_mut(key).and_then(Stream::receiver);
        if let Some(missing) = receiver.and_then(Receiver::missing) {
            missing.give_up();
        }
        self.deadlines.set(Timer::Repair(key), None);
    }

    /// True if a slot needs it, or the recorder takes it.
    fn is_needed(&self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.get(key) else { return false };
        let wanted = |place: u16, session: &Session| session.slots.get(usize::from(place))?.wanted();
        stream.tap.is_some()
            || stream.subscribers.iter().any(|subscriber| {
                let session = self.sessions.get(subscriber.session);
                session.and_then(|session| wanted(subscriber.slot, session)) == Some(key)
            })
    }

    fn streams_of(&self, tracks: &[TrackKey]) -> Vec<StreamKey> {
        tracks.iter().filter_map(|key| self.tracks.get(*key)).flat_map(Track::streams).collect()
    }

    pub(super) fn video_tracks_of(&self, key: SessionKey) -> impl Iterator<Item = TrackKey> {
        let tracks = self.sessions.get(key).into_iter().flat_map(|session| &session.tracks).copied();
        tracks.filter(|key| self.tracks.get(*key).is_some_and(|track| track.kind == MediaKind::Video))
    }
}
