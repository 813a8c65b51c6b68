//! How long packets wait in the queue of a link.

use std::time::Duration;

/// The delay of an empty queue is looked for in two spans of this length.
const BASE_SPAN: Duration = Duration::from_secs(15);

/// The shortest way of a packet lately: what takes longer waits in a queue. The clocks' origins differ, so it has a sign.
#[derive(Debug, Default)]
pub(super) struct Base {
    span_began: Duration,
    shortest_us: Option<i64>,
    shortest_before_us: Option<i64>,
}

impl Base {
    /// How much longer than the shortest this packet took.
    pub(super) fn add(&mut self, sent: Duration, arrived: Duration) -> Duration {
        let way_us = arrived.as_micros() as i64 - sent.as_micros() as i64;
        if sent.saturating_sub(self.span_began) >= BASE_SPAN {
            self.span_began = sent;
            self.shortest_before_us = self.shortest_us.take();
        }
        let shortest_us = self.shortest_us.map_or(way_us, |shortest| shortest.min(way_us));
        self.shortest_us = Some(shortest_us);
        let base_us = self.shortest_before_us.map_or(shortest_us, |before| before.min(shortest_us));
        Duration::from_micros(way_us.saturating_sub(base_us).max(0) as u64)
    }
}
