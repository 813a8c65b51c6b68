//! Chooses the stream of each slot of a session: the allocation decides from wishes, layers and the estimate.

use super::{Output, Sfu, Timer};
use crate::congestion::allocate::{self, Demand, Estimate, Grant, Layer, Limit, Slower};
use crate::congestion::limited::LimitedSlot;
use crate::egress::slot::Slot;
use crate::ingress::stream::Stream;
use crate::ingress::track::{self, Track};
use crate::keys::{SessionKey, Sessions, StreamKey, Streams, Tracks};
use crate::session::Session;
use crate::slab::Slab;
use crate::tempo::Tempo;
use shared::rtp_parameters::MediaKind;
use shared::signal::VideoLimit;
use std::time::{Duration, Instant};

/// Interval of checks of layers and estimate; wishes take effect at once.
const INTERVAL: Duration = Duration::from_millis(100);
/// Sessions are checked together: one wake-up for some of them.
pub(super) const GRID: Duration = Duration::from_millis(50);

impl Sfu {
    pub(super) fn select_streams(&mut self, now: Instant, key: SessionKey) {
        let (estimate, most_bps, own_most_bps) = (self.allowed(key), self.most_bps(key), self.own_most_bps(key));
        let Self { sessions, tracks, streams, .. } = self;
        let Some(session) = sessions.get(key) else { return };
        let audio: Vec<_> =
            of_kind(session, MediaKind::Audio).map(|(place, slot)| (place, only_stream(slot, tracks))).collect();
        // Including those that its client currently cannot decode: their codec may change.
        let has_several = |slot: &Slot| slot.track.and_then(|track| tracks.get(track)).is_some_and(Track::is_layered);
        let has_layers = of_kind(session, MediaKind::Video).any(|(_, slot)| has_several(slot));
        let mut places = Vec::new();
        let (mut demands, mut undecodable) = (Vec::new(), Vec::new());
        for (place, slot) in of_kind(session, MediaKind::Video) {
            places.push(place);
            demands.push(demand(now, slot, (tracks, sessions), streams));
            undecodable.push(is_undecodable(slot, tracks, streams));
        }
        let audio_streams = audio.iter().filter_map(|(_, stream)| *stream);
        let audio_bps = audio_streams.map(|key| streams.get_mut(key).map_or(0, |stream| stream.bitrate_bps(now))).sum();
        let grants = allocate::allocate(now, estimate.unwrap_or(Estimate::UNLIMITED), audio_bps, &demands);
        let all_bps = allocate::wanted_bps(audio_bps, &demands);
        let next_bps = estimate.map_or(all_bps, |_| allocate::next_bps(audio_bps, &demands, &grants));
        if let Some(session) = sessions.get_mut(key) {
            let own_bps = session.estimate.map(|estimate| estimate.sustained_bps).into_iter().chain(own_most_bps);
            session.wanted_bps = own_bps.fold(allocate::largest_bps(audio_bps, &demands), u64::min);
            if let Some(controller) = session.congestion.as_mut() {
                // Rates that may not be sent are not probed.
                let most_bps = most_bps.unwrap_or(u64::MAX);
                let tried_bps = allocate::tried_bps(all_bps);
                // The frames of a screen are large, and there is no smaller picture of it.
                controller.set_spreads_frames(grants.iter().any(|grant| grant.is_screen && grant.stream.is_some()));
                controller.set_wanted(now, next_bps.min(most_bps), tried_bps.min(most_bps));
            }
        }
        for (place, stream) in audio {
            self.change_slot(key, place, |slot| slot.select(stream, Tempo::Full));
        }
        for (place, is_undecodable) in places.iter().zip(undecodable) {
            let slot = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(*place));
            slot.into_iter().for_each(|slot| slot.is_undecodable = is_undecodable);
        }
        for ((place, demand), grant) in places.iter().zip(&demands).zip(&grants) {
            self.grant(now, (key, *place), demand, *grant);
        }
        self.note_limited(now, key, &places, &grants);
        let is_news_due = self.note_undecodable(now, key);
        let is_limited = estimate.is_some() || self.bandwidth.shard_out_bps_max.is_some();
        let is_watched = is_news_due || has_layers || !demands.is_empty() && is_limited;
        let at = is_watched.then(|| self.clock.aligned(now + INTERVAL, GRID));
        self.deadlines.set(Timer::Select(key), at);
    }

    /// Takes a session's estimate; from the first one on, the session is checked regularly.
    pub(super) fn set_estimate(&mut self, now: Instant, key: SessionKey, estimate: Estimate) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.estimate.replace(estimate).is_none() {
            self.select_streams(now, key);
        }
    }

    fn grant(&mut self, now: Instant, (key, place): (SessionKey, usize), demand: &Demand, grant: Grant) {
        let estimate_bps = self.allowed(key).unwrap_or(Estimate::UNLIMITED).sustained_bps;
        let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) else { return };
        // A track without any packet starts with its first layer.
        let (stream, tempo) = match grant.limit {
            Limit::NoLayer => {
                let current = demand.current.map(|(stream, _)| stream);
                (current.or(demand.layers.first().map(|layer| layer.stream)), Tempo::Full)
            }
            Limit::None | Limit::Size | Limit::Estimate => (grant.stream, grant.tempo),
        };
        let decided = |grant: &Grant| (grant.limit, grant.stream, grant.tempo);
        let is_other = slot.grant.is_none_or(|before| decided(&before) != decided(&grant));
        if is_other {
            self.stats.allocated(grant.limit, grant.stream.is_none());
        }
        slot.grant = Some(grant);
        slot.overdrawn_since = grant.is_overdrawn.then(|| slot.overdrawn_since.unwrap_or(now));
        let begins_anew = std::mem::take(&mut slot.is_given_up);
        if (stream, tempo) != (slot.wanted(), slot.tempo()) {
            let size = |stream: Option<StreamKey>, tempo: Tempo| {
                let layer = demand.layers.iter().find(|layer| Some(layer.stream) == stream);
                layer.map(|layer| (layer.lines, layer.bitrate_bps, tempo))
            };
            let is_raise = size(stream, tempo) > size(slot.wanted(), slot.tempo());
            let is_fall = !is_raise && grant.limit == Limit::Estimate;
            let is_other = stream != slot.wanted();
            // More or fewer frames of the same layer cost no key frame, so they may come and go; nor does a layer that
            // begins with one right now.
            let costs_keyframe = is_other && !stream.is_some_and(|key| begins_now(&self.streams, key, now));
            if costs_keyframe && is_raise {
                slot.raises.raised(now, estimate_bps);
            } else if is_other && is_fall {
                slot.raises.fell(now, estimate_bps);
            }
            self.change_slot(key, place, |slot| {
                slot.select(stream, tempo);
                if is_fall {
                    slot.slow_down();
                }
            });
            if is_other {
                self.want_keyframe_for(now, key, place);
            }
        }
        if begins_anew {
            self.want_keyframe_for(now, key, place);
        }
        self.relieve(now, (key, place), grant);
        let slot = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place));
        if let Some(stream) = slot.and_then(|slot| slot.poll_slowed(now)) {
            self.want_keyframe(now, stream);
        }
    }

    fn want_keyframe_for(&mut self, now: Instant, key: SessionKey, place: usize) {
        let Some(session) = self.sessions.get(key).filter(|session| session.is_connected()) else { return };
        let Some(key) = session.slots.get(place).and_then(Slot::awaits_keyframe_of) else { return };
        if !begins_now(&self.streams, key, now) {
            self.want_keyframe(now, key);
        }
    }

    /// Stops a layer that is far too large until the key frame of the smaller one arrives: the queue must drain.
    fn relieve(&mut self, now: Instant, (key, place): (SessionKey, usize), grant: Grant) {
        let slot = self.sessions.get(key).and_then(|session| session.slots.get(place));
        let Some(slot) = slot.filter(|slot| slot.playing() != slot.wanted()) else { return };
        let (playing, tempo) = (slot.playing(), slot.coming_tempo());
        let Some(stream) = playing.and_then(|playing| self.streams.get_mut(playing)) else { return };
        if grant.limit == Limit::Estimate && stream.tempo_bps(now, tempo) > grant.share_bps.saturating_mul(4) / 3 {
            self.change_slot(key, place, Slot::let_go);
            if let Some((session, playing)) = self.sessions.get_mut(key).zip(playing) {
                session.pacer.forget(place as u16, playing);
            }
        }
    }

    fn note_limited(&mut self, now: Instant, key: SessionKey, places: &[usize], grants: &[Grant]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let limited = places.iter().zip(grants).filter(|(_, grant)| grant.limit == Limit::Estimate);
        if session.limited.update(now, limited.map(|(place, grant)| (*place, grant.stream))) {
            self.tell_limited(key);
        }
    }

    /// Reports to the room which slots the downlink limits, with the rates.
    pub(super) fn tell_limited(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(room) = self.rooms.get(session.room).map(|room| room.id.clone()) else { return };
        let limit = |(place, stream): &LimitedSlot| {
            let slot = session.slots.get(*place)?;
            let grant = slot.grant?;
            let given_bps = stream.map(|_| saturated(grant.given_bps));
            Some(VideoLimit { mid: slot.mid().clone(), wanted_bps: saturated(grant.wanted_bps), given_bps })
        };
        let slots = session.limited.told().iter().filter_map(limit).collect();
        let estimate_bps = self.allowed(key).map_or(0, |estimate| saturated(estimate.sustained_bps));
        let reason = self.reason(key);
        self.outputs.push_back(Output::VideoLimited { room, session: session.id.clone(), estimate_bps, reason, slots });
    }

    /// True if a change is yet to be reported.
    fn note_undecodable(&mut self, now: Instant, key: SessionKey) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let slots = session.slots.iter().enumerate().filter(|(_, slot)| slot.is_undecodable);
        if session.undecodable.update(now, slots.map(|(place, _)| place)) {
            self.tell_undecodable(key);
        }
        self.sessions.get(key).is_some_and(|session| session.undecodable.is_late)
    }

    pub(super) fn tell_undecodable(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(room) = self.rooms.get(session.room).map(|room| room.id.clone()) else { return };
        let slots = session.undecodable.told().iter().filter_map(|place| session.slots.get(*place));
        let mids = slots.map(|slot| slot.mid().clone()).collect();
        self.outputs.push_back(Output::VideoUndecodable { room, session: session.id.clone(), mids });
    }
}

/// True if the start of a key frame waits for the next round: a slot that takes the stream now gets it in time.
fn begins_now(streams: &Slab<Streams, Stream>, key: StreamKey, now: Instant) -> bool {
    let stream = streams.get(key);
    stream.is_some_and(|stream| stream.keyframes.has_arrived_since(now) && stream.has_pending())
}

fn saturated(bps: u64) -> u32 {
    u32::try_from(bps).unwrap_or(u32::MAX)
}

fn of_kind(session: &Session, kind: MediaKind) -> impl Iterator<Item = (usize, &Slot)> {
    session.slots.iter().enumerate().filter(move |(_, slot)| slot.kind() == kind)
}

fn only_stream(slot: &Slot, tracks: &Slab<Tracks, Track>) -> Option<StreamKey> {
    tracks.get(slot.track?)?.streams().next()
}

/// True if its track comes only in codecs that its client cannot decode.
fn is_undecodable(slot: &Slot, tracks: &Slab<Tracks, Track>, streams: &Slab<Streams, Stream>) -> bool {
    let layers = slot.track.and_then(|track| tracks.get(track)).into_iter().flat_map(Track::streams);
    let mut begun = layers.filter_map(|key| streams.get(key)).filter(|stream| stream.codec().is_some()).peekable();
    begun.peek().is_some() && begun.all(|stream| !can_read(slot, stream))
}

/// A stream whose codec is still unknown counts as decodable.
fn can_read(slot: &Slot, stream: &Stream) -> bool {
    stream.codec().is_none_or(|codec| slot.config().format(codec).is_some())
}

fn demand(
    now: Instant,
    slot: &Slot,
    (tracks, sessions): (&Slab<Tracks, Track>, &Slab<Sessions, Session>),
    streams: &mut Slab<Streams, Stream>,
) -> Demand {
    let track = slot.track.and_then(|track| tracks.get(track));
    let is_single = track.is_some_and(|track| track.single().is_some());
    let layer = |layer: &track::Layer| {
        let stream = streams.get_mut(layer.stream).filter(|stream| can_read(slot, stream))?;
        Some(Layer {
            stream: layer.stream,
            bitrate_bps: stream.bitrate_bps(now),
            lines: stream.lines(),
            is_alive: is_single || layer.is_alive(now),
            slower: [Tempo::Base, Tempo::Middle].map(|tempo| {
                let (bitrate_bps, frames_per_s) = stream.pace(now, tempo)?;
                Some(Slower { bitrate_bps, frames_per_s })
            }),
        })
    };
    let layers: Vec<_> = track.into_iter().flat_map(|track| &track.layers).filter_map(layer).collect();
    let wish = slot.wish.as_ref();
    let publisher = track.filter(|_| is_single).and_then(|track| sessions.get(track.publisher));
    let cap = publisher.and_then(|session| session.cap);
    Demand {
        current: slot
            .wanted()
            .filter(|wanted| layers.iter().any(|layer| layer.stream == *wanted))
            .map(|wanted| (wanted, slot.tempo())),
        lines_max: wish.and_then(|wish| wish.lines_max),
        priority: wish.map_or(u8::MAX, |wish| wish.priority),
        raises: slot.raises,
        is_screen: is_single && layers.iter().any(|layer| streams.get(layer.stream).is_some_and(Stream::is_screen)),
        overdrawn_since: slot.overdrawn_since,
        is_given_up: slot.is_given_up,
        uncapped_bps: cap.map_or(0, |cap| cap.uncapped_bps),
        layers,
    }
}
