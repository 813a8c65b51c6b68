//! One receive slot: its stream's packets, its decoder, and its requests to the node.

use super::answer;
use super::arrivals::Arrivals;
use super::content::Stamp;
use super::picture::{Decoded, Decoder, Part};
use super::sound::Player;
use crate::check::SourceName;
use crate::clock::Clock;
use media_core::codec::red::Blocks;
use media_core::rtcp::ntp::NtpTime;
use media_core::rtcp::write::{Full, Writer};
use media_core::rtcp::{ReportBlock, SenderReport};
use media_core::rtp::RtpHeader;
use shared::rtp_parameters::MediaKind;
use std::time::Instant;

/// Largest difference of a sender report from the stream: a screen waits for up to 3 s in the pacer and 200 ms in a link's
/// queue, the report does not.
const OFF_MS_MAX: i32 = 3_200;

/// The effect of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame was decoded or an audio packet played.
    Played(SourceName, u32),
    /// The video has this many lines from that frame on.
    Resized(SourceName, u16),
    /// A violation by the node.
    Wrong(String),
}

#[derive(Clone, Debug)]
pub struct Slot {
    section: answer::Section,
    arrivals: Arrivals,
    output: Output,
    /// Packets with redundant audio.
    redundant: u64,
    /// Timestamp and arrival of the newest packet.
    newest: Option<(u32, Instant)>,
    /// The last sender report and its arrival.
    reported: Option<(NtpTime, Instant)>,
}

#[derive(Clone, Debug)]
enum Output {
    Sound(Player),
    Picture(Decoder),
}

impl Slot {
    #[must_use]
    pub fn new(section: answer::Section) -> Self {
        let output = match section.kind {
            MediaKind::Audio => Output::Sound(Player::default()),
            MediaKind::Video => Output::Picture(Decoder::default()),
        };
        Self { section, arrivals: Arrivals::default(), output, redundant: 0, newest: None, reported: None }
    }

    #[must_use]
    pub fn section(&self) -> &answer::Section {
        &self.section
    }

    /// Packets of the stream that never arrived.
    #[must_use]
    pub fn lacking(&self) -> u64 {
        self.arrivals.lacking()
    }

    #[must_use]
    pub fn jumps(&self) -> u64 {
        match &self.output {
            Output::Sound(_) => 0,
            Output::Picture(decoder) => decoder.jumps(),
        }
    }

    /// Packets with redundant audio (RFC 2198).
    #[must_use]
    pub fn redundant(&self) -> u64 {
        self.redundant
    }

    /// Takes a packet of the slot's stream, or of its retransmissions.
    pub fn handle_rtp(&mut self, clock: &Clock, header: &RtpHeader<'_>, packet: &[u8]) -> Vec<Event> {
        let Some(payload) = header.payload(packet) else { return wrong("padding longer than the packet") };
        let mid = self.section.extensions.mid.and_then(|id| header.extension(id));
        if mid.is_some_and(|mid| mid != self.section.mid.as_str().as_bytes()) {
            return wrong("the identification tag of another section");
        }
        if Some(header.ssrc) == self.section.rtx_ssrc {
            return self.handle_rtx(clock, header, payload);
        }
        let is_redundant = Some(header.payload_type) == self.section.red_payload_type;
        if header.payload_type != self.section.payload_type && !is_redundant {
            return wrong("a payload type that was not negotiated");
        }
        let (index, is_new) = self.arrivals.note(clock, header.sequence);
        if !is_new && self.arrivals.take_mended(index) {
            return Vec::new();
        }
        if !is_new {
            return wrong(&format!("sequence number {} twice", header.sequence));
        }
        self.newest = Some((header.timestamp, clock.now()));
        if is_redundant {
            self.handle_red(clock, index, header, payload)
        } else {
            self.play(clock, index, header, payload)
        }
    }

    /// RFC 2198: a packet that brings others again, which play first.
    fn handle_red(&mut self, clock: &Clock, index: u64, header: &RtpHeader<'_>, payload: &[u8]) -> Vec<Event> {
        let Some(blocks) = Blocks::parse(payload, self.section.payload_type) else {
            return wrong("damaged redundancy");
        };
        self.redundant += 1;
        let mut events = Vec::new();
        for (behind, earlier) in (1..).zip(blocks.earlier()) {
            if self.arrivals.mend(index - behind) {
                let timestamp = header.timestamp.wrapping_sub(earlier.timestamp_offset);
                events.extend(self.play(
                    clock,
                    index - behind,
                    &header.of(header.sequence, timestamp),
                    earlier.payload,
                ));
            }
        }
        events.extend(self.play(clock, index, header, blocks.primary));
        events
    }

    /// RFC 4588 §4: the payload begins with the original sequence number.
    fn handle_rtx(&mut self, clock: &Clock, header: &RtpHeader<'_>, payload: &[u8]) -> Vec<Event> {
        if Some(header.payload_type) != self.section.rtx_payload_type {
            return wrong("a payload type of retransmissions that was not negotiated");
        }
        let Some((sequence, payload)) = payload.split_first_chunk::<2>() else { return Vec::new() };
        let (index, is_new) = self.arrivals.note(clock, u16::from_be_bytes(*sequence));
        if is_new { self.play(clock, index, header, payload) } else { Vec::new() }
    }

    fn play(&mut self, clock: &Clock, index: u64, header: &RtpHeader<'_>, payload: &[u8]) -> Vec<Event> {
        match &mut self.output {
            Output::Sound(player) => {
                let Some(stamp) = Stamp::of_sound(payload) else { return wrong("a damaged sound packet") };
                let breach = player.take(index, header.timestamp, stamp).map(Event::Wrong);
                breach.into_iter().chain([Event::Played(stamp.source, stamp.frame)]).collect()
            }
            Output::Picture(decoder) => {
                let Some(part) = Part::read(header.timestamp, header.marker, payload) else {
                    return wrong("a damaged picture packet");
                };
                decoder.take(clock, index, part).into_iter().map(Event::from).collect()
            }
        }
    }

    /// Takes a sender report about the slot's stream (RFC 3550 §6.4.1); returns a violation, if any.
    pub fn take_report(&mut self, clock: &Clock, report: &SenderReport<'_>) -> Option<String> {
        self.reported = Some((report.ntp, clock.now()));
        let (timestamp, at) = self.newest?;
        let clock_rate = if self.section.kind == MediaKind::Audio { 48_000 } else { 90_000 };
        let ticks = clock.now().duration_since(at).as_millis() as u32 * (clock_rate / 1_000);
        let off = report.rtp_timestamp.wrapping_sub(timestamp.wrapping_add(ticks)) as i32;
        let off_ms = off / (clock_rate as i32 / 1_000);
        (off_ms.abs() > OFF_MS_MAX).then(|| format!("a sender report is {off_ms} ms off the stream"))
    }

    /// A report block about the stream, once something has arrived.
    pub fn report(&mut self, clock: &Clock) -> Option<ReportBlock> {
        let block = self.section.ssrc.and_then(|ssrc| self.arrivals.report(ssrc))?;
        let since = |at: Instant| (clock.now().duration_since(at).as_micros() * 65_536 / 1_000_000) as u32;
        let (last_sender_report, delay_since_sender_report) =
            self.reported.map_or((0, 0), |(ntp, at)| (ntp.middle(), since(at)));
        Some(ReportBlock { last_sender_report, delay_since_sender_report, ..block })
    }

    /// Writes the slot's current requests.
    pub fn poll_feedback(&mut self, clock: &Clock, sender: u32, writer: &mut Writer<'_>) -> Result<Vec<Event>, Full> {
        let Some(ssrc) = self.section.ssrc else { return Ok(Vec::new()) };
        let lost = self.arrivals.poll_nack(clock);
        let Output::Picture(decoder) = &mut self.output else { return Ok(Vec::new()) };
        if !lost.is_empty() {
            writer.nack(sender, ssrc, lost.into_iter())?;
        }
        let decoded = decoder.decode(clock);
        if decoder.poll_picture_loss(clock) {
            writer.picture_loss(sender, ssrc)?;
        }
        Ok(decoded.into_iter().map(Event::from).collect())
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let picture_loss = match &self.output {
            Output::Sound(_) => None,
            Output::Picture(decoder) => decoder.picture_loss_at(),
        };
        [self.arrivals.poll_timeout(), picture_loss].into_iter().flatten().min()
    }
}

impl From<Decoded> for Event {
    fn from(decoded: Decoded) -> Self {
        match decoded {
            Decoded::Frame(source, frame) => Self::Played(source, frame),
            Decoded::Resized(source, lines) => Self::Resized(source, lines),
            Decoded::Wrong(what) => Self::Wrong(what),
        }
    }
}

fn wrong(what: &str) -> Vec<Event> {
    vec![Event::Wrong(what.to_string())]
}
