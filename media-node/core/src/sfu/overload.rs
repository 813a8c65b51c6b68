//! Handles a publisher's link that suddenly carries less: nothing is repaired in the meantime, then every video
//! restarts.

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

/// Delay of requests to a publisher whose link is busy.
const POSTPONED: Duration = Duration::from_millis(20);

impl Sfu {
    /// Handles a packet's information about its publisher's link.
    pub(super) fn note_overload(&mut self, now: Instant, key: SessionKey, change: Change) {
        let tracks: Vec<_> = self.video_tracks_of(key).collect();
        for stream in self.streams_of(&tracks) {
            self.give_up_losses(stream);
        }
        let Some(uplink) = self.sessions.get_mut(key).and_then(|session| session.uplink.as_mut()) else { return };
        uplink.note(change);
        self.report_cap(key);
        match change {
            Change::Overloaded { .. } => self.stats.uplink_overloads += 1,
            Change::Narrower { .. } => {}
            Change::Ended => self.begin_pictures_anew(now, key, &tracks),
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

    /// Viewers start with one layer, and rise to layers that prove to be still sent.
    fn begin_pictures_anew(&mut self, now: Instant, publisher: SessionKey, tracks: &[TrackKey]) {
        let limit_bps = self.sessions.get(publisher).and_then(Session::limit_bps).unwrap_or(u64::MAX);
        let mut viewers = BTreeSet::new();
        for key in tracks {
            let sure = self.safe_layer(now, *key, limit_bps);
            let Some(track) = self.tracks.get_mut(*key) else { continue };
            track.doubt_all_but(now, sure);
            viewers.extend(track.viewers.iter().map(|viewer| viewer.session));
        }
        viewers.into_iter().for_each(|session| self.select_streams(now, session));
        for stream in self.streams_of(tracks) {
            if self.is_needed(stream) {
                self.want_keyframe(now, stream);
            }
        }
    }

    /// The largest layer that is still sent and did not need more than the limit lately; otherwise the smallest. Another
    /// key frame soon, for a larger one, would fill the link again.
    fn safe_layer(&mut self, now: Instant, track: TrackKey, limit_bps: u64) -> Option<StreamKey> {
        let Self { tracks, streams, .. } = self;
        let track = tracks.get(track)?;
        let lines = |key: &StreamKey| streams.get(*key).map_or(0, Stream::lines);
        let smallest = track.streams().filter(|key| lines(key) > 0).min_by_key(lines);
        let sent: Vec<_> = track.sent_lately().map(|key| (lines(&key), key)).collect();
        let mut fits = |key: StreamKey| streams.get_mut(key).is_some_and(|stream| stream.bitrate_bps(now) <= limit_bps);
        let largest = sent.into_iter().filter(|(lines, key)| *lines > 0 && fits(*key)).max_by_key(|(lines, _)| *lines);
        largest.map(|(_, key)| key).or(smallest)
    }

    fn give_up_losses(&mut self, key: StreamKey) {
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
