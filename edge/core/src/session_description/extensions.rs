//! Negotiation of the header extensions (RFC 8285) that Rotunda understands, with their directions.

use super::lines::words;
use super::section::Direction;
use shared::rtp_parameters::{Flow, HeaderExtensions};
use std::fmt::Write;

const URIS: [&str; 7] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
];

/// Ids of one-byte headers (RFC 8285 §4.2), the only form that nodes write.
const IDS: std::ops::RangeInclusive<u8> = 1..=14;

/// The header extensions of one section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferedExtensions {
    /// The id and direction of those that Rotunda understands, in the order of [`URIS`].
    understood: [Option<(u8, Direction)>; URIS.len()],
    /// One bit for each id with a meaning, even one that Rotunda does not understand.
    used: u16,
}

impl OfferedExtensions {
    /// Reads the values of the `a=extmap` lines of one level. The first line of an extension and of an id counts.
    pub(super) fn read(lines: &[&str]) -> Self {
        let mut extensions = Self::default();
        for line in lines {
            let Some((id, direction, uri)) = extmap(line) else { continue };
            extensions.add(URIS.iter().position(|known| *known == uri), id, direction);
        }
        extensions
    }

    /// Adds the extensions of the level above whose ids and URIs are still free.
    pub(super) fn or(mut self, above: &Self) -> Self {
        for (index, extension) in above.understood.iter().enumerate() {
            if let Some((id, direction)) = extension {
                self.add(Some(index), *id, *direction);
            }
        }
        self
    }

    /// `index` is `None` for an extension that only occupies its id.
    fn add(&mut self, index: Option<usize>, id: u8, direction: Direction) {
        let bit = 1 << id;
        if self.used & bit != 0 {
            return;
        }
        self.used |= bit;
        if let Some(extension) = index.and_then(|index| self.understood.get_mut(index)) {
            *extension = extension.or(Some((id, direction)));
        }
    }

    /// The extensions for a section with this flow, and the ids of those offered for one direction only. An extension
    /// offered for another direction is omitted from the answer (RFC 8285 §6).
    #[must_use]
    pub fn of(&self, flow: Flow) -> (HeaderExtensions, Vec<u8>) {
        let fits = |direction: Direction| match direction {
            Direction::SendRecv => true,
            Direction::SendOnly => flow == Flow::ClientToNode,
            Direction::RecvOnly => flow == Flow::NodeToClient,
            Direction::Inactive => false,
        };
        let fitting = self.understood.map(|extension| extension.filter(|(_, direction)| fits(*direction)));
        let one_way = fitting.iter().flatten().filter(|(_, direction)| *direction != Direction::SendRecv);
        let one_way = one_way.map(|(id, _)| *id).collect();
        let [mid, rid, repaired_rid, abs_send_time, audio_level, video_orientation, transport_cc] =
            fitting.map(|extension| extension.map(|(id, _)| id));
        let ids =
            HeaderExtensions { mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation };
        (ids, one_way)
    }
}

/// Reads `id[/direction] uri …` (RFC 8285 §5).
fn extmap(line: &str) -> Option<(u8, Direction, &str)> {
    let mut words = words(line);
    let (id, uri) = (words.next()?, words.next()?);
    let (id, direction) = match id.split_once('/') {
        Some((id, direction)) => (id, Direction::read(direction)?),
        None => (id, Direction::SendRecv),
    };
    let id = id.parse().ok().filter(|id| IDS.contains(id))?;
    Some((id, direction, uri))
}

/// Writes the `a=extmap` lines of a section; those in `one_way` with the answerer's direction.
pub(super) fn write(text: &mut String, flow: Flow, extensions: HeaderExtensions, one_way: &[u8]) {
    let HeaderExtensions { mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation } =
        extensions;
    let direction = match flow {
        Flow::ClientToNode => "/recvonly",
        Flow::NodeToClient => "/sendonly",
        Flow::Inactive => "/inactive",
    };
    let ids = [mid, rid, repaired_rid, abs_send_time, audio_level, video_orientation, transport_cc];
    for (id, uri) in ids.into_iter().zip(URIS) {
        if let Some(id) = id {
            let direction = if one_way.contains(&id) { direction } else { "" };
            let _ = write!(text, "a=extmap:{id}{direction} {uri}\r\n");
        }
    }
}
