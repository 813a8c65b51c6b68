//! The common header of a slot's packets, written once and patched for each packet.

use super::config::Config;
use super::rewrite::Rewritten;
use crate::packet::{Facts, Moment};
use crate::rtp::{FIXED_HEADER_BYTES, HeaderWriter};
use shared::rtp_parameters::MediaKind;

/// Room for the fixed header, a source, and a 16-byte mid with four small extensions.
const HEADER_BYTES_MAX: usize = 64;
/// Level of a packet whose publisher sent none: no voice, and 127 dB below full scale (RFC 6464 §3).
const SILENT: u8 = 0x7f;
/// The picture needs no rotation.
const UPRIGHT: u8 = 0;

/// The header of a slot's packets in some of its formats; all have the same length.
pub(super) struct Template {
    header: [u8; HEADER_BYTES_MAX],
    length: usize,
    audio_level_at: Option<usize>,
    orientation_at: Option<usize>,
    send_time_at: Option<usize>,
    transport_sequence_at: Option<usize>,
}

impl Template {
    /// `is_repaired`: for formats whose retransmissions have a separate stream, or for those without.
    pub(super) fn new(config: &Config, is_repaired: bool) -> Self {
        let mut header = [0; HEADER_BYTES_MAX];
        let mut template = Self {
            header,
            length: 0,
            audio_level_at: None,
            orientation_at: None,
            send_time_at: None,
            transport_sequence_at: None,
        };
        let Some(mut writer) = HeaderWriter::new(&mut header, config.ssrc, Some(0)) else { return template };
        let (ids, is_video) = (config.extensions, config.kind == MediaKind::Video);
        if let Some(id) = ids.mid {
            writer.extension(id, config.mid.as_str().as_bytes());
        }
        if let Some(id) = ids.audio_level.filter(|_| !is_video) {
            template.audio_level_at = writer.extension(id, &[SILENT]);
        }
        if let Some(id) = ids.video_orientation.filter(|_| is_video) {
            template.orientation_at = writer.extension(id, &[UPRIGHT]);
        }
        // A packet retransmitted under its old SRTP index must not contain another time: it would be another packet
        // under the same nonce. So only formats with a separate retransmission stream contain it.
        if let Some(id) = ids.abs_send_time.filter(|_| is_repaired) {
            template.send_time_at = writer.extension(id, &[0; 3]);
        }
        // The same applies to the transport-wide sequence number, but numbered audio is never retransmitted.
        if let Some(id) = ids.transport_cc.filter(|_| is_repaired || !is_video) {
            template.transport_sequence_at = writer.extension(id, &[0; 2]);
        }
        template.length = writer.finish().unwrap_or(0);
        template.header = header;
        template
    }

    /// Offset of a packet's transport-wide sequence number, if its packets are numbered.
    pub(super) fn transport_sequence_at(&self) -> Option<usize> {
        self.transport_sequence_at
    }

    /// Returns the length of the header written to the start of `out`.
    pub(super) fn write(
        &self,
        out: &mut [u8],
        at: Moment,
        payload_type: u8,
        facts: &Facts,
        rewritten: Rewritten,
    ) -> Option<usize> {
        let header = out.get_mut(..self.length)?;
        header.copy_from_slice(self.header.get(..self.length)?);
        let fixed = header.first_chunk_mut::<{ FIXED_HEADER_BYTES + 4 }>()?;
        fixed[1] = u8::from(facts.marker) << 7 | payload_type & 0x7f;
        fixed[2..4].copy_from_slice(&(rewritten.index as u16).to_be_bytes());
        fixed[4..8].copy_from_slice(&rewritten.timestamp.to_be_bytes());
        fixed[12..].copy_from_slice(&facts.csrc.0.to_be_bytes());
        if let (Some(at), Some(level)) = (self.audio_level_at, facts.audio_level) {
            *header.get_mut(at)? = level;
        }
        if let (Some(at), Some(orientation)) = (self.orientation_at, facts.orientation) {
            *header.get_mut(at)? = orientation;
        }
        if let Some(place) = self.send_time_at {
            // Seconds with 18 bits of fraction, 24 bits in all: the middle of the NTP time.
            let [.., t0, t1, t2] = ((at.ntp.0 >> 14) as u32).to_be_bytes();
            header.get_mut(place..place + 3)?.copy_from_slice(&[t0, t1, t2]);
        }
        Some(self.length)
    }
}

/// Turns a written packet into one of another stream.
pub(super) fn redirect(packet: &mut [u8], ssrc: u32) -> Option<()> {
    packet.first_chunk_mut::<FIXED_HEADER_BYTES>()?[8..].copy_from_slice(&ssrc.to_be_bytes());
    Some(())
}

/// Marks the last `padding` bytes of a packet as padding (RFC 3550 §5.1).
pub(super) fn pad(packet: &mut [u8], padding: usize) -> Option<()> {
    let start = packet.len().checked_sub(padding)?;
    packet.get_mut(start..)?.fill(0);
    *packet.last_mut()? = padding as u8;
    *packet.first_mut()? |= 0x20;
    Some(())
}
