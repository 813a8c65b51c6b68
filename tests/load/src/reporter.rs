//! Tells a node when its packets arrived, as browsers do (transport-wide congestion control).

use crate::client::{Client, Memory};
use crate::parameters::EXTENSIONS;
use media_core::congestion::arrivals::Arrivals;
use media_core::rtcp::write::Writer;
use media_core::rtp::RtpHeader;
use std::time::Instant;

/// Room for a report of any length, and what protects it.
const REPORT_BYTES_MAX: usize = 1_200;
/// The sender of the reports.
const SSRC: u32 = 1;

#[derive(Debug)]
pub struct Reporter {
    arrivals: Arrivals,
    due: Option<Instant>,
}

impl Reporter {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { arrivals: Arrivals::new(now, EXTENSIONS.transport_cc.unwrap_or_default()), due: None }
    }

    pub fn record(&mut self, now: Instant, header: &RtpHeader<'_>, bytes: usize) {
        let number = header.extension(self.arrivals.extension()).and_then(|value| value.try_into().ok());
        let Some(number) = number.map(u16::from_be_bytes) else { return };
        if let Some(due) = self.arrivals.record(now, number, header.ssrc, bytes) {
            self.due = Some(due);
        }
    }

    /// Sends a report if one is due.
    pub fn report(&mut self, now: Instant, client: &mut Client, memory: &mut Memory) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = None;
        loop {
            let Some(report) = self.arrivals.next_report(now, false) else { break };
            let mut buffer = [0; REPORT_BYTES_MAX];
            let mut writer = Writer::new(&mut buffer);
            let told = writer
                .receiver_report(SSRC, std::iter::empty())
                .and_then(|()| writer.transport_feedback(SSRC, report))
                .unwrap_or(0);
            let plain_bytes = writer.bytes();
            self.arrivals.reported(told);
            let sealed = client.sealer().and_then(|sealer| sealer.seal_rtcp(&mut buffer, plain_bytes));
            client.send(memory, sealed.and_then(|bytes| buffer.get(..bytes)).into_iter());
        }
    }
}
