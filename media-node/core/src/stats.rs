//! Counters by reason, read by the shell for `/metrics`; counting is an addition, never an allocation.

use crate::congestion::allocate::Limit;
use crate::congestion::controller::Reason;
use shared::control::{Grade, SessionQuality};
use shared::rtp_parameters::Flow;

/// The reason an arriving datagram or packet was not used. The name is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DropReason {
    /// The first byte belongs to no protocol we speak (RFC 7983).
    UnknownProtocol,
    /// DTLS or SRTP from an address that no session has verified.
    UnknownAddress,
    /// A Binding request whose user fragment stayed unknown for as long as it was kept.
    UnknownUfrag,
    /// A Binding request with an unknown user fragment while the waiting room was full.
    UnknownUfragOverflow,
    /// Not a STUN Binding request we can read.
    MalformedStun,
    /// A Binding request with a wrong password or for another client.
    StunIntegrity,
    /// DTLS that makes no sense where it arrived.
    UnexpectedDtls,
    /// SRTP before the keys.
    NoKeys,
    /// Not an RTP packet.
    MalformedRtp,
    /// Not a compound RTCP packet.
    MalformedRtcp,
    /// An authentication tag that does not fit.
    SrtpAuthentication,
    /// Seen before, or older than the replay window.
    SrtpReplay,
    /// More SSRCs than a session may use.
    SrtpStreams,
    /// RTP of a stream that belongs to no published track.
    UnknownStream,
    /// A payload type that was not negotiated for its section.
    UnknownPayloadType,
    /// An encoding that is not forwarded.
    UnusedEncoding,
    Duplicate,
    /// A retransmission without payload, which only probes for bandwidth.
    Probe,
    /// A payload that is not what its codec promises.
    MalformedPayload,
    /// More forwarded packets than the arena or a cache can take.
    Overflow,
    /// The link to its client could not take it in time.
    Paced,
}

impl DropReason {
    /// Every reason, in the order of [`Stats::drops`].
    pub const ALL: [Self; 21] = [
        Self::UnknownProtocol,
        Self::UnknownAddress,
        Self::UnknownUfrag,
        Self::UnknownUfragOverflow,
        Self::MalformedStun,
        Self::StunIntegrity,
        Self::UnexpectedDtls,
        Self::NoKeys,
        Self::MalformedRtp,
        Self::MalformedRtcp,
        Self::SrtpAuthentication,
        Self::SrtpReplay,
        Self::SrtpStreams,
        Self::UnknownStream,
        Self::UnknownPayloadType,
        Self::UnusedEncoding,
        Self::Duplicate,
        Self::Probe,
        Self::MalformedPayload,
        Self::Overflow,
        Self::Paced,
    ];

    /// The value of the metric's label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownProtocol => "unknown_protocol",
            Self::UnknownAddress => "unknown_address",
            Self::UnknownUfrag => "unknown_ufrag",
            Self::UnknownUfragOverflow => "unknown_ufrag_overflow",
            Self::MalformedStun => "malformed_stun",
            Self::StunIntegrity => "stun_integrity",
            Self::UnexpectedDtls => "unexpected_dtls",
            Self::NoKeys => "no_keys",
            Self::MalformedRtp => "malformed_rtp",
            Self::MalformedRtcp => "malformed_rtcp",
            Self::SrtpAuthentication => "srtp_authentication",
            Self::SrtpReplay => "srtp_replay",
            Self::SrtpStreams => "srtp_streams",
            Self::UnknownStream => "unknown_stream",
            Self::UnknownPayloadType => "unknown_payload_type",
            Self::UnusedEncoding => "unused_encoding",
            Self::Duplicate => "duplicate",
            Self::Probe => "probe",
            Self::MalformedPayload => "malformed_payload",
            Self::Overflow => "overflow",
            Self::Paced => "paced",
        }
    }
}

/// What one shard has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub datagrams_in: u64,
    pub bytes_in: u64,
    pub rtp_in: u64,
    /// RTP packets written for subscribers, without retransmissions.
    pub rtp_out: u64,
    /// RTP packets copied for the recorder.
    pub recorded: u64,
    /// RTP packets that the recorder's batch had no place for.
    pub record_overflows: u64,
    /// Datagrams handed to the shell, of every kind.
    pub datagrams_out: u64,
    pub bytes_out: u64,
    /// Runs (one destination, one segment size) those datagrams were handed over in.
    pub runs_out: u64,
    /// Bytes of RTP padding that made packets of one run equally long.
    pub padding_bytes_out: u64,
    /// Packets that publishers were asked to send again.
    pub nacked_upstream: u64,
    /// Publishers' links that suddenly carried less than was sent.
    pub uplink_overloads: u64,
    /// Packets that were sent again to subscribers.
    pub retransmitted: u64,
    /// Bytes of packets sent again only to see whether the link carries them.
    pub probe_bytes_out: u64,
    /// Packets that subscribers asked for in vain: no longer kept, never sent, or asked for just before.
    pub retransmit_misses: u64,
    /// Key frame requests from subscribers.
    pub keyframe_requests_in: u64,
    /// Key frame requests to publishers, after throttling.
    pub keyframe_requests_out: u64,
    /// Reports to publishers of when their packets arrived (transport-wide feedback).
    pub arrival_reports_out: u64,
    /// Binding requests answered with success.
    pub stun_answered: u64,
    /// Sessions whose media came up.
    pub sessions_connected: u64,
    /// Sessions that ended by themselves.
    pub sessions_failed: u64,
    /// Packets of video that the pacer let wait.
    pub paced: u64,
    drops: [u64; DropReason::ALL.len()],
    allocations: [u64; ALLOCATIONS.len()],
    estimates: [u64; Reason::ALL.len()],
    grades: [u64; Grade::ALL.len()],
    round_trips: [u64; ROUND_TRIP_MS.len() + 1],
    round_trip_ms: u64,
    /// From clients, to clients.
    flows: [Sampled; 2],
}

/// What samples of one direction add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    pub packets: u64,
    pub packets_lost: u64,
    pub freezes: u64,
}

/// Labels of allocations: why a slot got what it got.
const ALLOCATIONS: [&str; 5] = ["largest", "size", "estimate", "paused", "no_layer"];
/// Labels of the directions.
const FLOWS: [&str; 2] = ["in", "out"];
/// Upper bounds of the histogram of round trips.
pub const ROUND_TRIP_MS: [u32; 5] = [50, 100, 200, 400, 800];

impl Stats {
    pub fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// A slot was given another layer, or the same for another reason.
    pub fn allocated(&mut self, limit: Limit, is_paused: bool) {
        let place = match limit {
            Limit::None => 0,
            Limit::Size => 1,
            Limit::Estimate if is_paused => 3,
            Limit::Estimate => 2,
            Limit::NoLayer => 4,
        };
        self.allocations[place] += 1;
    }

    /// The estimate for a client changed.
    pub fn estimated(&mut self, reason: Reason) {
        self.estimates[reason as usize] += 1;
    }

    /// A session's quality was sampled.
    pub fn sampled(&mut self, quality: &SessionQuality) {
        self.grades[quality.grade as usize] += 1;
        if let Some(ms) = quality.round_trip_ms {
            let bucket = ROUND_TRIP_MS.iter().position(|most| ms <= *most).unwrap_or(ROUND_TRIP_MS.len());
            self.round_trips[bucket] += 1;
            self.round_trip_ms += u64::from(ms);
        }
        for track in &quality.tracks {
            let flow = &mut self.flows[usize::from(track.flow == Flow::NodeToClient)];
            flow.packets += u64::from(track.packets);
            flow.packets_lost += u64::from(track.packets_lost);
            flow.freezes += u64::from(track.freezes);
        }
    }

    /// How often each reason decided what a slot gets.
    pub fn allocations(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALLOCATIONS.into_iter().zip(self.allocations)
    }

    /// How often each reason changed an estimate.
    pub fn estimates(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL.map(Reason::label).into_iter().zip(self.estimates)
    }

    /// How many samples had each grade.
    pub fn grades(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Grade::ALL.map(Grade::label).into_iter().zip(self.grades)
    }

    /// How many sampled round trips were within each bound of [`ROUND_TRIP_MS`] and above the one before, then those above
    /// all bounds; and their sum.
    pub fn round_trips(&self) -> ([u64; ROUND_TRIP_MS.len() + 1], u64) {
        (self.round_trips, self.round_trip_ms)
    }

    /// What the samples of each direction add up to.
    pub fn flows(&self) -> impl Iterator<Item = (&'static str, Sampled)> {
        FLOWS.into_iter().zip(self.flows)
    }

    /// How often something was dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Every reason with its count.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().zip(self.drops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_for_itself_under_its_own_label() {
        let mut stats = Stats::default();
        for (times, reason) in DropReason::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| stats.drop(reason));
        }
        let counts: Vec<u64> = stats.drops().map(|(_, count)| count).collect();
        assert_eq!(counts, (0..DropReason::ALL.len() as u64).collect::<Vec<_>>());
        let labels: std::collections::BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), DropReason::ALL.len());
    }
}
