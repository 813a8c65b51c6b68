//! A browser's own packets: media, reports, and requests for missing packets.

use super::Browser;
use super::publish::Plain;
use super::slot::Slot;
use media_core::rtcp::write::{Full, Writer};
use std::time::Duration;

/// libwebrtc's report interval for video.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Room for one compound.
const COMPOUND_BYTES_MAX: usize = 1_200;

impl Browser {
    pub(super) fn poll_media(&mut self) {
        if !self.is_connected() {
            return;
        }
        let (clock, ntp) = (self.clock, self.ntp);
        let packets: Vec<Plain> = self.publishers.iter_mut().flat_map(|publisher| publisher.poll(&clock)).collect();
        self.send(packets);
        self.send_paced();
        let reports: Vec<_> =
            self.publishers.iter_mut().flat_map(|publisher| publisher.poll_reports(&clock, &ntp)).collect();
        for report in reports {
            self.send_compound(|writer| writer.sender_report(report));
        }
        self.poll_feedback();
        if self.arrivals_at.is_some_and(|at| at <= clock.now()) {
            self.report_arrivals();
        }
        if self.report_at <= clock.now() {
            self.report_at = clock.now() + REPORT_INTERVAL;
            self.send_report();
        }
    }

    pub(super) fn send(&mut self, packets: Vec<Plain>) {
        let unpaced = match &mut self.uplink {
            Some(uplink) => uplink.hold(packets),
            None => packets,
        };
        unpaced.into_iter().for_each(|packet| self.send_now(packet));
    }

    fn send_paced(&mut self) {
        let clock = self.clock;
        while let Some(packet) = self.uplink.as_mut().and_then(|uplink| uplink.let_go(&clock)) {
            self.send_now(packet);
        }
    }

    fn send_now(&mut self, mut packet: Plain) {
        let Some(transport) = &mut self.transport else { return };
        if let Some(place) = packet.transport_sequence_at {
            let number = self.sent.number(&self.clock);
            packet.bytes[place..place + 2].copy_from_slice(&(number as u16).to_be_bytes());
            self.uplink.iter_mut().for_each(|uplink| uplink.sent(&self.clock, number, &packet));
        }
        transport.send_rtp(packet.bytes, packet.header_bytes, packet.ssrc, packet.index);
    }

    fn send_compound(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) {
        let mut buffer = [0; COMPOUND_BYTES_MAX];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer).expect("room for what one browser has to say");
        let bytes = writer.bytes();
        if let Some(transport) = self.transport.as_mut().filter(|_| bytes > 0) {
            transport.send_rtcp(buffer[..bytes].to_vec());
        }
    }

    /// RFC 3550 §6.4.2: a pure receiver needs an SSRC for its reports as well.
    fn own_ssrc(&self) -> u32 {
        self.publishers.first().map_or(1, |publisher| publisher.ssrcs.0)
    }

    fn poll_feedback(&mut self) {
        let (clock, sender) = (self.clock, self.own_ssrc());
        let is_due = |slot: &Slot| slot.poll_timeout().is_some_and(|at| at <= clock.now());
        let due: Vec<u32> = self.slots.iter().filter(|(_, slot)| is_due(slot)).map(|(ssrc, _)| *ssrc).collect();
        for ssrc in due {
            let Some(mut slot) = self.slots.remove(&ssrc) else { continue };
            let mut events = Vec::new();
            self.send_compound(|writer| {
                events = slot.poll_feedback(&clock, sender, writer)?;
                Ok(())
            });
            self.slots.insert(ssrc, slot);
            self.handle_events(ssrc, events);
        }
    }

    /// Reports the arrival times of the node's packets.
    fn report_arrivals(&mut self) {
        self.arrivals_at = None;
        let (now, sender) = (self.clock.now(), self.own_ssrc());
        let Some(mut arrivals) = self.arrivals.take() else { return };
        loop {
            let Some(report) = arrivals.next_report(now, false) else { break };
            let mut told = 0;
            self.send_compound(|writer| {
                writer.receiver_report(sender, std::iter::empty())?;
                told = writer.transport_feedback(sender, report)?;
                Ok(())
            });
            arrivals.reported(told);
        }
        self.arrivals = Some(arrivals);
    }

    fn send_report(&mut self) {
        let sender = self.own_ssrc();
        let clock = self.clock;
        let blocks: Vec<_> = self.slots.values_mut().filter_map(|slot| slot.report(&clock)).collect();
        self.send_compound(|writer| writer.receiver_report(sender, blocks.into_iter()));
    }
}
