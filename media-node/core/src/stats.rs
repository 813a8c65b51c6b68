//! Counters by reason, read by the shell for `/metrics`; counting is an addition, never an allocation.

use crate::congestion::allocate::Limit;
use shared::control::{Grade, SessionQuality};
use shared::rtp_parameters::Flow;
use shared::signal::EstimateReason;

/// The reason an arriving datagram or packet was not used. The name is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DropReason {
    /// The first byte belongs to no supported protocol (RFC 7983).
    UnknownProtocol,
    /// DTLS or SRTP from an address that no session has verified.
    UnknownAddress,
    /// A Binding request whose user fragment stayed unknown for as long as it was kept.
    UnknownUfrag,
    /// A Binding request with an unknown user fragment while too many were waiting.
    UnknownUfragOverflow,
    /// Not a readable STUN Binding request.
    MalformedStun,
    /// A Binding request with a wrong password or for another client.
    StunIntegrity,
    /// DTLS that is invalid in its context.
    UnexpectedDtls,
    /// SRTP before the keys exist.
    NoKeys,
    /// Not an RTP packet.
    MalformedRtp,
    /// Not a compound RTCP packet.
    MalformedRtcp,
    /// A wrong authentication tag.
    SrtpAuthentication,
    /// A duplicate, or older than the replay window.
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
    /// A payload that violates its codec's format.
    MalformedPayload,
    /// More forwarded packets than the arena or a cache can hold.
    Overflow,
    /// The client's link could not carry it in time.
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

/// The counts of one shard since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub datagrams_in: u64,
    pub bytes_in: u64,
    pub rtp_in: u64,
    /// RTP packets written for subscribers, without retransmissions.
    pub rtp_out: u64,
    /// RTP packets copied for the recorder.
    pub recorded: u64,
    /// RTP packets for which the recorder's batch had no room.
    pub record_overflows: u64,
    /// Datagrams handed to the shell, of every kind.
    pub datagrams_out: u64,
    pub bytes_out: u64,
    /// Runs (one destination, one segment size) of those datagrams.
    pub runs_out: u64,
    /// Bytes of RTP padding that made packets of one run equally long.
    pub padding_bytes_out: u64,
    /// Packets requested again from publishers.
    pub nacked_upstream: u64,
    /// Publishers' links that suddenly carried less than was sent.
    pub uplink_overloads: u64,
    /// Packets retransmitted to subscribers.
    pub retransmitted: u64,
    /// Bytes of packets repeated only for probing.
    pub probe_bytes_out: u64,
    /// Packets requested by subscribers in vain: no longer kept, never sent, or requested just before.
    pub retransmit_misses: u64,
    /// Key frame requests from subscribers.
    pub keyframe_requests_in: u64,
    /// Key frame requests to publishers, after throttling.
    pub keyframe_requests_out: u64,
    /// Reports to publishers about the arrival of their packets (transport-wide feedback).
    pub arrival_reports_out: u64,
    /// Binding requests answered with success.
    pub stun_answered: u64,
    /// Sessions whose media connected.
    pub sessions_connected: u64,
    /// Sessions that ended by themselves.
    pub sessions_failed: u64,
    /// Video packets delayed by the pacer.
    pub paced: u64,
    /// Reports of who should be heard among more microphones than a client has slots.
    pub loudest_reports: u64,
    drops: [u64; DropReason::ALL.len()],
    allocations: [u64; ALLOCATIONS.len()],
    estimates: [u64; EstimateReason::MEASURED.len()],
    grades: [u64; Grade::ALL.len()],
    round_trips: [u64; ROUND_TRIP_MS.len() + 1],
    round_trip_ms: u64,
    /// From clients, to clients.
    flows: [Sampled; 2],
}

/// The sum of the samples of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    pub packets: u64,
    pub packets_lost: u64,
    pub freezes: u64,
}

/// Labels of allocations: the reason for a slot's layer.
const ALLOCATIONS: [&str; 5] = ["largest", "size", "estimate", "paused", "no_layer"];
/// Labels of the directions.
const FLOWS: [&str; 2] = ["in", "out"];
/// Upper bounds of the histogram of round trips.
pub const ROUND_TRIP_MS: [u32; 5] = [50, 100, 200, 400, 800];

impl Stats {
    pub fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Counts a slot's change to another layer, or to the same for another reason.
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

    /// Counts a change of a client's estimate.
    pub fn estimated(&mut self, reason: EstimateReason) {
        self.estimates[reason as usize] += 1;
    }

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

    /// Counts of allocations by reason.
    pub fn allocations(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALLOCATIONS.into_iter().zip(self.allocations)
    }

    /// Counts of estimate changes by reason.
    pub fn estimates(&self) -> impl Iterator<Item = (&'static str, u64)> {
        EstimateReason::MEASURED.map(EstimateReason::label).into_iter().zip(self.estimates)
    }

    /// Counts of samples by grade.
    pub fn grades(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Grade::ALL.map(Grade::label).into_iter().zip(self.grades)
    }

    /// Sampled round trips by bound: those within each bound of [`ROUND_TRIP_MS`] and above the one before, then those
    /// above all bounds; and their sum.
    pub fn round_trips(&self) -> ([u64; ROUND_TRIP_MS.len() + 1], u64) {
        (self.round_trips, self.round_trip_ms)
    }

    /// The sums of the samples of each direction.
    pub fn flows(&self) -> impl Iterator<Item = (&'static str, Sampled)> {
        FLOWS.into_iter().zip(self.flows)
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

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
