//! The client's half of transport-wide feedback, for clients that are no browsers: benchmarks and load.

use super::arrivals::Arrivals;
use crate::rtcp::write::Writer;
use crate::rtp::RtpHeader;
use std::time::Instant;

/// Room for a report of any length, and what protects it.
pub const REPORT_BYTES_MAX: usize = 1_200;
/// The sender of the reports.
const SSRC: u32 = 1;

/// Records arrivals and reports them as often as browsers do.
#[derive(Debug)]
pub struct Reporter {
    arrivals: Arrivals,
    due_at: Option<Instant>,
}

impl Reporter {
    /// `extension` is the number of the header extension with the transport-wide sequence number.
    #[must_use]
    pub fn new(now: Instant, extension: u8) -> Self {
        Self { arrivals: Arrivals::new(now, extension), due_at: None }
    }

    pub fn record(&mut self, now: Instant, header: &RtpHeader<'_>, bytes: usize) {
        let number = header.extension(self.arrivals.extension()).and_then(|value| value.try_into().ok());
        let Some(number) = number.map(u16::from_be_bytes) else { return };
        if let Some(at) = self.arrivals.record(now, number, header.ssrc, bytes) {
            self.due_at = Some(at);
        }
    }

    /// Writes the next due compound to the front of `buffer` and returns its length; `None` if there is no more.
    pub fn report(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        self.due_at.filter(|at| *at <= now)?;
        let Some(report) = self.arrivals.next_report(now, false) else {
            self.due_at = None;
            return None;
        };
        let mut writer = Writer::new(buffer);
        let told = writer
            .receiver_report(SSRC, std::iter::empty())
            .and_then(|()| writer.transport_feedback(SSRC, report))
            .unwrap_or(0);
        let bytes = writer.bytes();
        self.arrivals.reported(told);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, Packet};
    use crate::rtp::HeaderWriter;
    use crate::virtual_time::start;
    use std::time::Duration;

    #[test]
    fn reports_numbered_packets_once_it_is_time() {
        let at = |ms| start() + Duration::from_millis(ms);
        let mut reporter = Reporter::new(start(), 3);
        for number in 10..13_u16 {
            let mut packet = [0; 64];
            let mut header = HeaderWriter::new(&mut packet, 7, None).expect("room");
            header.extension(3, &number.to_be_bytes()).expect("room");
            header.finish().expect("room");
            reporter.record(at(0), &RtpHeader::parse(&packet).expect("a header"), 100);
        }
        let mut buffer = [0; REPORT_BYTES_MAX];
        assert_eq!(reporter.report(at(40), &mut buffer), None);
        let bytes = reporter.report(at(50), &mut buffer).expect("it is time");
        let told = Compound::parse(&buffer[..bytes]).expect("a compound").find_map(|packet| match packet {
            Packet::TransportCongestion(feedback) => Some(feedback.arrivals().map(|(number, _)| number).collect()),
            _ => None,
        });
        assert_eq!(told, Some(vec![10, 11, 12]));
        assert_eq!(reporter.report(at(50), &mut buffer), None);
        assert_eq!(reporter.report(at(200), &mut buffer), None, "nothing has arrived since");
    }
}
