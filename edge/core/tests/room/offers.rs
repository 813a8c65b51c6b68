//! Small offers for the stage; those of real browsers are tested with the parser.

use shared::signal::TrackSource;
use std::fmt::Write;

/// The layer lines of a camera's section.
const LAYERS: &str = "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                      a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
                      a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\n";

/// One connection of a client: the common parts of its offers, and its number of ICE restarts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Distinguishes its certificate and credentials from those of others.
    pub(crate) number: u8,
    /// Part of the user fragment.
    pub(crate) restarts: u32,
    /// Media sections in order: the source that is sent, or the kind of a slot.
    pub(crate) sections: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Published until stopped.
    Publish(TrackSource, bool),
    Slot(&'static str),
}

impl Connection {
    /// Publishes these sources, and offers at least this many slots of each kind.
    pub(crate) fn shape(&mut self, sources: &[TrackSource], slots: usize) {
        for section in &mut self.sections {
            if let Section::Publish(source, live) = section {
                *live = sources.contains(source);
            }
        }
        for source in sources {
            if !self.sections.contains(&Section::Publish(*source, true)) {
                self.sections.push(Section::Publish(*source, true));
            }
        }
        for kind in ["audio", "video"] {
            let has = self.sections.iter().filter(|section| **section == Section::Slot(kind)).count();
            self.sections.extend((has..slots).map(|_| Section::Slot(kind)));
        }
    }

    pub(crate) fn mid_of(&self, wanted: TrackSource) -> Option<usize> {
        self.sections.iter().position(|section| *section == Section::Publish(wanted, true))
    }

    pub(crate) fn offer(&self) -> String {
        let mids: Vec<String> = (0..self.sections.len()).map(|mid| mid.to_string()).collect();
        let fingerprint = shared::rtp_parameters::Fingerprint([self.number; 32]);
        let mut text =
            format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
        let _ = write!(text, "a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n");
        let _ =
            write!(text, "a=ice-ufrag:c{:03}r{}\r\na=ice-pwd:0123456789abcdefghijkl\r\n", self.number, self.restarts);
        for (mid, section) in self.sections.iter().enumerate() {
            let (kind, direction) = match section {
                Section::Publish(source, true) => (kind_of(*source), "sendonly"),
                Section::Publish(source, false) => (kind_of(*source), "inactive"),
                Section::Slot(kind) => (*kind, "recvonly"),
            };
            let (payload_type, codec) = if kind == "audio" { (111, "opus/48000/2") } else { (96, "VP8/90000") };
            let _ = write!(text, "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\na=mid:{mid}\r\na={direction}\r\n");
            let _ = write!(text, "a=rtcp-mux\r\na=rtpmap:{payload_type} {codec}\r\n");
            if *section == Section::Publish(TrackSource::Camera, true) {
                text.push_str(LAYERS);
            }
        }
        text
    }
}

const fn kind_of(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio => "audio",
        TrackSource::Camera | TrackSource::Screen => "video",
    }
}
