//! Session parameters of test clients: each publishes one track or receives one slot.

use shared::rtp_parameters::{
    Codec, CodecName, Encoding, Fingerprint, Flow, HeaderExtensions, IceParameters, MediaKind, Section, Session,
};
use shared::{Mid, ParticipantId, SessionId};

pub const VP8_PAYLOAD_TYPE: u8 = 96;
/// Payload type of VP8's retransmissions.
pub const RTX_PAYLOAD_TYPE: u8 = 97;
/// The header extensions of every packet of a publisher, numbered as in Chromium's offers.
pub const EXTENSIONS: HeaderExtensions = HeaderExtensions {
    mid: Some(4),
    rid: None,
    repaired_rid: None,
    abs_send_time: Some(2),
    transport_cc: Some(3),
    audio_level: None,
    video_orientation: None,
};

/// The name of a subscriber's slot.
#[must_use]
pub fn slot(place: u32) -> Mid {
    Mid::parse(&place.to_string()).expect("digits")
}

/// A client's number, from which its names and SSRCs are derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNumber(pub u32);

impl ClientNumber {
    #[must_use]
    pub fn session(self) -> SessionId {
        SessionId::parse(&format!("s{}", self.0)).expect("letters and digits")
    }

    #[must_use]
    pub fn ssrc(self) -> u32 {
        0x1000_0000 + 2 * self.0
    }

    #[must_use]
    pub fn ice(self) -> IceParameters {
        IceParameters {
            node_ufrag: format!("node{:04}", self.0),
            node_pwd: format!("password{:014}", self.0),
            client_ufrag: format!("client{:04}", self.0),
            client_pwd: format!("of the client{:09}", self.0),
        }
    }

    #[must_use]
    pub fn mid(self) -> Mid {
        Mid::parse("0").expect("a digit")
    }

    #[must_use]
    pub fn publisher(self, fingerprint: Fingerprint) -> Session {
        self.with(fingerprint, Flow::ClientToNode, 1 + self.0)
    }

    /// A publisher of three simulcast layers.
    #[must_use]
    pub fn publisher_of_layers(self, fingerprint: Fingerprint) -> Session {
        let mut session = self.publisher(fingerprint);
        let layer = |(ssrc, rid): (u32, &str)| Encoding {
            ssrc: Some(ssrc),
            rtx_ssrc: Some(ssrc + 1),
            rid: Some(rid.to_owned()),
        };
        for section in &mut session.sections {
            section.encodings = std::iter::zip(self.layer_ssrcs(), ["q", "h", "f"]).map(layer).collect();
        }
        session
    }

    /// The streams of its layers, the smallest first.
    #[must_use]
    pub fn layer_ssrcs(self) -> [u32; 3] {
        [0, 2, 4].map(|place| 0x3000_0000 + 8 * self.0 + place)
    }

    #[must_use]
    pub fn subscriber(self, fingerprint: Fingerprint) -> Session {
        self.with(fingerprint, Flow::NodeToClient, 0)
    }

    /// A subscriber with several slots, named by [`slot`].
    #[must_use]
    pub fn subscriber_of(self, fingerprint: Fingerprint, slots: u32) -> Session {
        let mut session = self.subscriber(fingerprint);
        let section = session.sections.remove(0);
        session.sections.extend((0..slots).map(|place| {
            let ssrc = 0x2000_0000 + 64 * self.0 + 2 * place;
            let encodings = vec![Encoding { ssrc: Some(ssrc), rtx_ssrc: Some(ssrc + 1), rid: None }];
            Section { mid: slot(place), encodings, ..section.clone() }
        }));
        session
    }

    /// Negotiates the header extensions that browsers do, and with them congestion control.
    #[must_use]
    pub fn with_extensions(mut session: Session) -> Session {
        session.sections.iter_mut().for_each(|section| section.extensions = EXTENSIONS);
        session
    }

    fn with(self, client_fingerprint: Fingerprint, flow: Flow, csrc: u32) -> Session {
        let vp8 = Codec {
            name: CodecName::Vp8,
            payload_type: VP8_PAYLOAD_TYPE,
            rtx_payload_type: Some(RTX_PAYLOAD_TYPE),
            clock_rate: 90_000,
        };
        let section = Section {
            mid: self.mid(),
            kind: MediaKind::Video,
            flow,
            codecs: vec![vp8],
            extensions: HeaderExtensions::default(),
            encodings: vec![Encoding { ssrc: Some(self.ssrc()), rtx_ssrc: Some(self.ssrc() + 1), rid: None }],
            csrc,
        };
        Session {
            session: self.session(),
            participant: ParticipantId::parse(&format!("p{}", self.0)).expect("letters and digits"),
            ice: self.ice(),
            client_fingerprint,
            trace: None,
            other_fingerprints: Vec::new(),
            bandwidth: shared::token::Bandwidth::default(),
            sections: vec![section],
        }
    }
}
