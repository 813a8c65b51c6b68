//! A publisher's link that suddenly carries less: nothing is repaired meanwhile, then every picture begins anew.

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

/// What is asked of a publisher waits so long if its link is busy.
const POSTPONED: Duration = Duration::from_millis(20);

impl Sfu {
    /// Takes note of what a packet of a publisher told about its link.
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
            Change::Ended => self.begin_pictures_anew(now, &tracks),
        }
    }

    /// A second has passed. The report that follows tells a new limit; that there is none any more it does not.
    pub(super) fn ease_relief(&mut self, key: SessionKey) {
        let uplink = self.sessions.get_mut(key).and_then(|session| session.uplink.as_mut());
        if uplink.is_some_and(|uplink| uplink.ease()) {
            self.report_cap(key);
        }
    }

    /// When losses or key frames of a publisher may be asked for, if not now.
    pub(super) fn postponed(&self, now: Instant, publisher: SessionKey) -> Option<Instant> {
        let uplink = self.sessions.get(publisher)?.uplink.as_ref()?;
        uplink.overload.is_busy(now).then(|| now + POSTPONED)
    }

    /// The smallest layer is the surest: viewers begin with it, and rise to what else turns out to be still sent.
    fn begin_pictures_anew(&mut self, now: Instant, tracks: &[TrackKey]) {
        let mut viewers = BTreeSet::new();
        for key in tracks {
            let lines = |key: &StreamKey| self.streams.get(*key).map(Stream::lines).filter(|lines| *lines > 0);
            let smallest = self
                .tracks
                .get(*key)
                .and_then(|track| track.streams().filter(|key| lines(key).is_some()).min_by_key(lines));
            let Some(track) = self.tracks.get_mut(*key) else { continue };
            track.doubt_all_but(now, smallest);
            viewers.extend(track.viewers.iter().map(|viewer| viewer.session));
        }
        viewers.into_iter().for_each(|session| self.select_streams(now, session));
        for stream in self.streams_of(tracks) {
            if self.is_needed(stream) {
                self.want_keyframe(now, stream);
            }
        }
    }

    fn give_up_losses(&mut self, key: StreamKey) {
        let receiver = self.streams.get_mut(key).and_then(Stream::receiver);
        if let Some(missing) = receiver.and_then(Receiver::missing) {
            missing.give_up();
        }
        self.deadlines.set(Timer::Repair(key), None);
    }

    /// Whether a slot is to play it, or the recorder takes it.
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
