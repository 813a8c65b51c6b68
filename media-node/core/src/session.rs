//! One browser's transport (ICE, DTLS, SRTP), the tracks it publishes and the slots it receives into.

pub mod dtls;
pub mod ice_lite;
pub mod srtp;
pub mod streams;

use crate::congestion::allocate::Estimate;
use crate::congestion::bandwidth::Bandwidth;
use crate::congestion::controller::Controller;
use crate::congestion::limited::Limited;
use crate::congestion::uplink::Uplink;
use crate::egress::pacer::Pacer;
use crate::egress::probing::Probing;
use crate::egress::redundancy::Redundancy;
use crate::egress::slot::Slot;
use crate::egress::undecodable::Undecodable;
use crate::egress::writing::{Cursor, Due, Path, Waiting, Writing};
use crate::ingress::receive::ClockOffset;
use crate::keys::{RoomKey, TrackKey};
use dtls::Dtls;
use ice_lite::IceLite;
use shared::ids::{Mid, ParticipantId, SessionId};
use shared::rtp_parameters::{self as parameters, Fingerprint, Flow};
use srtp::{Opener, Sealer};
use std::time::{Duration, Instant};
use streams::Streams;

/// Round trip that is assumed until the client's reports tell it.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);

pub struct Session {
    pub id: SessionId,
    pub room: RoomKey,
    pub participant: ParticipantId,
    pub ice: IceLite,
    pub dtls: Dtls,
    /// The certificates of which it must show one.
    pub client_fingerprints: Vec<Fingerprint>,
    /// Its keys, once DTLS is done.
    pub keys: Option<Keys>,
    /// Which SSRC belongs to which of its streams.
    pub streams: Streams,
    pub tracks: Vec<TrackKey>,
    /// What it receives into. Slots that are no longer used stay: their SSRC must go on where it was.
    pub slots: Vec<Slot>,
    /// Its sections as last told.
    pub sections: Vec<parameters::Section>,
    /// Its wall clock beside ours.
    pub clock_offset: ClockOffset,
    /// Where it publishes, and transport-wide feedback is negotiated for that.
    pub uplink: Option<Box<Uplink>>,
    /// How much it can be sent, where it receives anything.
    pub congestion: Option<Controller>,
    pub probing: Option<Probing>,
    /// When it first reported arrivals of what it is sent.
    pub feedback_since: Option<Instant>,
    /// What its downlink takes, as far as that is known.
    pub estimate: Option<Estimate>,
    /// What it could use of that, if it had as much as it wants.
    pub wanted_bps: u64,
    /// Slots that get less video than they could show because that is too little.
    pub limited: Limited,
    /// Slots that get no video because the client cannot read it.
    pub undecodable: Undecodable,
    /// What it is asked to keep its video below.
    pub cap: Option<Cap>,
    /// Time to the client and back.
    pub round_trip: Duration,
    /// A report has told it.
    pub is_round_trip_known: bool,
    /// When its quality was last sampled.
    pub sampled_at: Instant,
    /// How many earlier packets its audio carries.
    pub redundancy: Redundancy,
    /// What we are called in reports about what it sends.
    pub feedback_ssrc: u32,
    pub opened_at: Instant,
    /// It had an address that media may be sent to when that was last looked at.
    pub is_reachable: bool,
    /// When what it is sent leaves.
    pub pacer: Pacer,
    /// What the next round of sending writes for it.
    waiting: Waiting,
}

/// A publisher is asked to send no more than its viewers can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    pub bps: u64,
    /// What it sent before it was asked.
    pub uncapped_bps: u64,
}

/// What seals and opens a session's packets. Both halves come from one handshake and go together.
#[derive(Debug)]
pub struct Keys {
    /// What the client sends.
    pub opener: Opener,
    /// What the client is sent.
    pub sealer: Sealer,
}

impl Session {
    /// A session that has heard nothing yet and has no sections yet.
    pub fn new(now: Instant, room: RoomKey, parameters: &parameters::Session, feedback_ssrc: u32) -> Self {
        Self {
            id: parameters.session.clone(),
            room,
            participant: parameters.participant.clone(),
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
            round_trip: ROUND_TRIP_ASSUMED,
            is_round_trip_known: false,
            sampled_at: now,
            redundancy: Redundancy::default(),
            feedback_ssrc,
            opened_at: now,
            is_reachable: false,
            pacer: Pacer::default(),
            waiting: Waiting::default(),
        }
    }

    /// What it may send, if anything but its link limits that.
    pub fn limit_bps(&self) -> Option<u64> {
        [self.cap.map(|cap| cap.bps), self.uplink.as_ref().and_then(|uplink| uplink.limit_bps())]
            .into_iter()
            .flatten()
            .min()
    }

    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// How long the session goes on if the client is not heard again.
    pub fn consent_until(&self) -> Instant {
        self.ice.last_check_at().unwrap_or(self.opened_at) + ice_lite::CONSENT_TIMEOUT
    }

    /// Reports arrivals of what the sections say is published, or no longer.
    pub fn set_uplink(&mut self, now: Instant) {
        let published = self.sections.iter().filter(|section| section.flow == Flow::ClientToNode);
        // Bundled sections use one id for one extension (RFC 8843 §9).
        let extension = published.filter_map(|section| section.extensions.transport_cc).next();
        if self.uplink.as_ref().map(|uplink| uplink.arrivals.extension()) != extension {
            self.uplink = extension.map(|extension| Box::new(Uplink::new(now, extension)));
        }
    }

    /// Estimates what the client can be sent while the sections say that it receives.
    pub fn set_congestion(&mut self, now: Instant, bandwidth: &Bandwidth) {
        if self.sections.iter().any(|section| section.flow == Flow::NodeToClient) {
            self.congestion.get_or_insert_with(|| Controller::new(now, bandwidth));
        } else {
            self.congestion = None;
        }
    }

    /// Takes the share of packets that the client reports lost, over all streams together.
    pub fn note_loss(&mut self, now: Instant, share: f64) {
        if let Some(controller) = &mut self.congestion {
            controller.round_trip(now, self.round_trip);
            controller.reception(now, share);
        }
    }

    /// Whether more has left than the link carries, as far as the client reports arrivals.
    pub fn is_congested(&mut self, now: Instant) -> bool {
        self.pacer.set_rate(now, self.congestion.as_ref().and_then(Controller::known_pacing_bps));
        self.pacer.is_busy()
    }

    pub fn slot_of(&self, mid: &Mid) -> Option<usize> {
        self.slots.iter().position(|slot| slot.is_active && slot.mid() == mid)
    }

    /// The slot that sends this SSRC, on its own stream or for retransmissions.
    pub fn slot_of_ssrc(&self, ssrc: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.config().ssrc == ssrc)
    }

    /// Adds to what the next round writes; says whether it is the first.
    pub fn add_due(&mut self, due: Due) -> bool {
        self.waiting.add(due)
    }

    /// Writes what is due; false if the arena was full before the end.
    pub fn write_due(&mut self, cursor: &mut Cursor, writing: &mut Writing<'_>) -> bool {
        let (Some(keys), Some(to)) = (&self.keys, self.ice.selected()) else {
            self.waiting.clear();
            return true;
        };
        let mut path = Path {
            sealer: &keys.sealer,
            to,
            congestion: self.congestion.as_mut(),
            pacer: &mut self.pacer,
            probing: self.probing.as_mut(),
        };
        self.waiting.write(&mut self.slots, &mut path, cursor, writing)
    }
}
