//! One browser's transport (ICE, DTLS, SRTP), the tracks it publishes and the slots it receives into.

pub mod dtls;
pub mod ice_lite;
pub mod srtp;
pub mod streams;

use crate::congestion::allocate::{Estimate, Raises};
use crate::congestion::arrivals::Arrivals;
use crate::congestion::bandwidth::Bandwidth;
use crate::congestion::controller::Controller;
use crate::congestion::limited::Limited;
use crate::congestion::uplink::Uplink;
use crate::egress::pacer::Pacer;
use crate::egress::probing::Probing;
use crate::egress::redundancy::Redundancy;
use crate::egress::slot::Slot;
use crate::egress::undecodable::Undecodable;
use crate::egress::writing::{Cursor, Downlink, Due, Waiting, Writing};
use crate::ingress::receive::ClockOffset;
use crate::keys::{RoomKey, TrackKey};
use crate::path::Path;
use dtls::Dtls;
use ice_lite::IceLite;
use shared::ids::{Mid, ParticipantId, SessionId};
use shared::rtp_parameters::{self as parameters, Fingerprint, Flow};
use shared::token;
use shared::trace::Trace;
use srtp::{Opener, Sealer};
use std::time::{Duration, Instant};
use streams::Streams;

/// Assumed round trip before the client's first reports.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);

pub struct Session {
    pub id: SessionId,
    pub room: RoomKey,
    pub participant: ParticipantId,
    /// For logs only.
    pub trace: Option<Trace>,
    pub ice: IceLite,
    pub dtls: Dtls,
    /// Certificates of which the client must present one.
    pub client_fingerprints: Vec<Fingerprint>,
    /// Set once DTLS is connected.
    pub keys: Option<Keys>,
    /// Maps the client's SSRCs to its streams.
    pub streams: Streams,
    pub tracks: Vec<TrackKey>,
    /// Its receive slots. Unused slots are kept: their SSRCs must continue where they ended.
    pub slots: Vec<Slot>,
    /// Its sections as last received.
    pub sections: Vec<parameters::Section>,
    /// Offset of its wall clock.
    pub clock_offset: ClockOffset,
    /// Set if it publishes.
    pub uplink: Option<Box<Uplink>>,
    /// The controller of its downlink, if it receives anything.
    pub congestion: Option<Controller>,
    pub probing: Option<Probing>,
    /// Time of its first report about arrivals.
    pub feedback_since: Option<Instant>,
    /// Its downlink's estimated capacity, if known.
    pub estimate: Option<Estimate>,
    /// The rate that it could use with an unlimited downlink.
    pub wanted_bps: u64,
    /// Slots that get less video than they could show because the downlink is too slow.
    pub limited: Limited,
    /// Slots without video because the client cannot decode it.
    pub undecodable: Undecodable,
    /// The limit that its video must stay below.
    pub cap: Option<Cap>,
    /// The room's limits on the participant's media.
    pub bandwidth: token::Bandwidth,
    pub round_trip: Duration,
    /// True once a report contained it.
    pub is_round_trip_known: bool,
    /// Time of the last quality sample.
    pub sampled_at: Instant,
    /// Its recent losses.
    pub redundancy: Redundancy,
    /// Our SSRC in reports about its streams.
    pub feedback_ssrc: u32,
    pub opened_at: Instant,
    /// True if it had a verified address at the last check.
    pub is_reachable: bool,
    /// Paces its packets.
    pub pacer: Pacer,
    /// The path of the last packets.
    path: Option<Path>,
    /// Work for the next round of sending.
    waiting: Waiting,
}

/// A limit on a publisher for the sake of its viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    pub bps: u64,
    /// The rate that it sent before the limit.
    pub uncapped_bps: u64,
}

/// Seals and opens a session's packets. Both halves come from one handshake and belong together.
#[derive(Debug)]
pub struct Keys {
    /// For packets from the client.
    pub opener: Opener,
    /// For packets to the client.
    pub sealer: Sealer,
}

impl Session {
    /// Creates a session without sections that has received nothing.
    pub fn new(now: Instant, room: RoomKey, parameters: &parameters::Session, feedback_ssrc: u32) -> Self {
        Self {
            id: parameters.session.clone(),
            room,
            participant: parameters.participant.clone(),
            trace: parameters.trace,
            ice: IceLite::new(&parameters.ice),
            dtls: Dtls::server(parameters.fingerprints().collect::<Vec<_>>()),
            client_fingerprints: parameters.fingerprints().collect(),
            keys: None,
            streams: Streams::default(),
            tracks: Vec::new(),
            slots: Vec::new(),
            sections: Vec::new(),
            clock_offset: ClockOffset::default(),
            uplink: None,
            congestion: None,
            probing: None,
            feedback_since: None,
            estimate: None,
            wanted_bps: 0,
            limited: Limited::default(),
            undecodable: Undecodable::default(),
            cap: None,
            bandwidth: parameters.bandwidth,
            round_trip: ROUND_TRIP_ASSUMED,
            is_round_trip_known: false,
            sampled_at: now,
            redundancy: Redundancy::default(),
            feedback_ssrc,
            opened_at: now,
            is_reachable: false,
            pacer: Pacer::default(),
            path: None,
            waiting: Waiting::default(),
        }
    }

    /// The rate that it may send, if the room, its viewers or its link limit that.
    pub fn limit_bps(&self) -> Option<u64> {
        let link_bps = self.uplink.as_ref().and_then(|uplink| uplink.limit_bps());
        [self.bandwidth.send_bps_max.map(u64::from), self.cap.map(|cap| cap.bps), link_bps].into_iter().flatten().min()
    }

    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// End of the session if the client is not heard again.
    pub fn consent_until(&self) -> Instant {
        self.ice.last_check_at().unwrap_or(self.opened_at) + ice_lite::CONSENT_TIMEOUT
    }

    /// Starts or stops measuring the uplink, depending on the published sections.
    pub fn set_uplink(&mut self, now: Instant) {
        let mut published = self.sections.iter().filter(|section| section.flow == Flow::ClientToNode).peekable();
        let publishes = published.peek().is_some();
        // Bundled sections use one id for one extension (RFC 8843 §9).
        let extension = published.filter_map(|section| section.extensions.transport_cc).next();
        let before = self.uplink.as_ref().map(|uplink| uplink.arrivals.as_ref().map(Arrivals::extension));
        if before != publishes.then_some(extension) {
            self.uplink = publishes.then(|| Box::new(Uplink::new(now, extension)));
        }
    }

    /// Starts or stops the estimate of the downlink, depending on the receiving sections.
    pub fn set_congestion(&mut self, now: Instant, bandwidth: &Bandwidth) {
        if self.sections.iter().any(|section| section.flow == Flow::NodeToClient) {
            self.congestion.get_or_insert_with(|| Controller::new(now, bandwidth));
        } else {
            self.congestion = None;
        }
    }

    /// True if media takes another path than before.
    pub fn has_moved(&self) -> bool {
        let selected = self.ice.selected();
        selected.is_some() && selected != self.path
    }

    /// Follows media to its first or another path; returns true if there was another. On another route everything known
    /// about the previous one is void.
    pub fn follow_path(&mut self, now: Instant) -> bool {
        let Some(selected) = self.ice.selected() else { return false };
        let Some(before) = self.path.replace(selected).filter(|before| *before != selected) else { return false };
        if before.shares_route(selected) {
            self.congestion.iter_mut().for_each(|controller| controller.change_port(now));
            return true;
        }
        self.congestion.iter_mut().for_each(|controller| controller.change_route(now));
        (self.probing, self.redundancy, self.is_round_trip_known) = (None, Redundancy::default(), false);
        self.pacer.forget_debt();
        self.slots.iter_mut().for_each(|slot| slot.raises = Raises::default());
        true
    }

    /// Takes a sample of the round trip. RFC 6298 §2 smooths by an eighth, but samples come only once a second.
    pub fn note_round_trip(&mut self, sample: Duration) {
        self.round_trip = if self.is_round_trip_known { (self.round_trip + sample) / 2 } else { sample };
        self.is_round_trip_known = true;
    }

    /// Takes the share of packets reported lost by the client, over all streams.
    pub fn note_loss(&mut self, now: Instant, share: f64) {
        if let Some(controller) = &mut self.congestion {
            controller.round_trip(now, self.round_trip);
            controller.reception(now, share);
        }
    }

    /// Number of earlier packets that each audio packet repeats.
    pub fn redundancy_depth(&self, now: Instant) -> usize {
        let overflows = self.congestion.as_ref().is_some_and(Controller::overflows);
        if overflows { 0 } else { self.redundancy.depth(now) }
    }

    /// True if more was sent than the link carries, by the client's reported arrivals.
    pub fn is_congested(&mut self, now: Instant, is_screen: bool) -> bool {
        self.pacer.set_rate(now, self.congestion.as_ref().and_then(Controller::known_pacing_bps));
        // Packets of a screen wait most of the time.
        if is_screen { self.pacer.is_behind() } else { self.pacer.is_busy() }
    }

    pub fn slot_of(&self, mid: &Mid) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is_active && slot.mid() == mid)
    }

    /// The slot that sends this SSRC, on its own stream or for retransmissions.
    pub fn slot_of_ssrc(&self, ssrc: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.config().ssrc == ssrc)
    }

    /// Adds to the next round; returns true for the first entry.
    pub fn add_due(&mut self, due: Due) -> bool {
        self.waiting.add(due)
    }

    /// Writes due packets; false if the arena filled up before the end.
    pub fn write_due(&mut self, cursor: &mut Cursor, writing: &mut Writing<'_>) -> bool {
        let (Some(keys), Some(to)) = (&self.keys, self.ice.selected()) else {
            self.waiting.clear();
            return true;
        };
        let mut path = Downlink {
            sealer: &keys.sealer,
            to,
            congestion: self.congestion.as_mut(),
            pacer: &mut self.pacer,
            probing: self.probing.as_mut(),
        };
        self.waiting.write(&mut self.slots, &mut path, cursor, writing)
    }
}
