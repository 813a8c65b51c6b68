//! The reasons of a shard to close a connection.

/// Labels of `media_tcp_closed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// No session has accepted a check from it in time, or the session has ended.
    Stranger,
    /// A datagram that was not complete in time.
    SlowDatagram,
    /// The client reads nothing.
    Stalled,
    /// A datagram that is too long.
    Broken,
}

impl Closing {
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Stranger, "stranger"),
        (Self::SlowDatagram, "slow_datagram"),
        (Self::Stalled, "stalled"),
        (Self::Broken, "broken"),
    ];
}
