//! The stored form of a session's sections. Most sections of an offer differ only in their numbers, so the common part
//! is stored once.

use super::section::{AcceptedSection, AnsweredSection, Feedback, RejectedSection, stored_place, stored_protocol};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::Mid;
use shared::rtp_parameters::{Encoding, Section};
use std::fmt::Formatter;

#[derive(Serialize, Deserialize)]
struct Packed {
    /// Sections without their own parts.
    common: Vec<AcceptedSection>,
    each: Vec<Each>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Each {
    /// A section's place in `common`, and its own parts.
    Like(usize, Own),
    Rejected(RejectedSection),
}

/// Mid, slot, place in the BUNDLE group, CSRC, and the encodings' SSRC, RTX SSRC and rid.
type Own = (Mid, Option<u8>, Option<u16>, u32, Vec<(Option<u32>, Option<u32>, Option<String>)>);

/// A section as earlier versions stored it, in a list. The parts of a rejected section have no `section`.
#[derive(Deserialize)]
struct Earlier {
    section: Option<Section>,
    slot: Option<u8>,
    #[serde(default)]
    feedback: Vec<Feedback>,
    #[serde(default)]
    codec_feedback: Vec<(u8, Feedback)>,
    #[serde(default)]
    rtcp_rsize: bool,
    #[serde(default = "stored_protocol")]
    protocol: String,
    #[serde(default = "stored_place")]
    bundle: Option<u16>,
    #[serde(default)]
    one_way: Vec<u8>,
    mid: Option<String>,
    #[serde(default)]
    media: String,
    #[serde(default)]
    format: String,
}

impl From<Earlier> for AnsweredSection {
    fn from(earlier: Earlier) -> Self {
        let Earlier { slot, feedback, codec_feedback, rtcp_rsize, protocol, bundle, one_way, .. } = earlier;
        let (mid, media, format) = (earlier.mid, earlier.media, earlier.format);
        match earlier.section {
            None => Self::Rejected(RejectedSection { mid, media, protocol, format }),
            Some(section) => Self::Accepted(AcceptedSection {
                section,
                slot,
                feedback,
                codec_feedback,
                rtcp_rsize,
                protocol,
                bundle,
                one_way,
            }),
        }
    }
}

/// Reads either form without a buffer, which serde's `untagged` would need.
struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Vec<AnsweredSection>;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("sections")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut sections = Vec::new();
        while let Some(earlier) = list.next_element::<Earlier>()? {
            sections.push(earlier.into());
        }
        Ok(sections)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        let Packed { common, each } = Packed::deserialize(MapAccessDeserializer::new(fields))?;
        let unpack = |each: Each| match each {
            Each::Rejected(rejected) => Ok(AnsweredSection::Rejected(rejected)),
            Each::Like(place, own) => {
                let common = common.get(place).ok_or_else(|| A::Error::custom("a section is like none"))?;
                Ok(AnsweredSection::Accepted(with_own(common.clone(), own)))
            }
        };
        each.into_iter().map(unpack).collect()
    }
}

pub(crate) fn serialize<S: Serializer>(sections: &[AnsweredSection], serializer: S) -> Result<S::Ok, S::Error> {
    let mut common: Vec<AcceptedSection> = Vec::new();
    let mut pack = |answered: &AnsweredSection| match answered {
        AnsweredSection::Rejected(rejected) => Each::Rejected(rejected.clone()),
        AnsweredSection::Accepted(accepted) => {
            let known = common.iter().position(|known| is_alike(known, accepted));
            let place = known.unwrap_or_else(|| {
                common.push(without_own(accepted));
                common.len().saturating_sub(1)
            });
            Each::Like(place, own(accepted))
        }
    };
    let each = sections.iter().map(&mut pack).collect();
    Packed { common, each }.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AnsweredSection>, D::Error> {
    deserializer.deserialize_any(Form)
}

fn is_alike(known: &AcceptedSection, other: &AcceptedSection) -> bool {
    let AcceptedSection { section, slot: _, feedback, codec_feedback, rtcp_rsize, protocol, bundle: _, one_way } =
        known;
    let Section { mid: _, kind, flow, codecs, extensions, encodings: _, csrc: _ } = section;
    (kind, flow, codecs, extensions)
        == (&other.section.kind, &other.section.flow, &other.section.codecs, &other.section.extensions)
        && (feedback, codec_feedback, rtcp_rsize) == (&other.feedback, &other.codec_feedback, &other.rtcp_rsize)
        && (protocol, one_way) == (&other.protocol, &other.one_way)
}

fn own(accepted: &AcceptedSection) -> Own {
    let AcceptedSection { section, slot, bundle, .. } = accepted;
    let encoding = |Encoding { ssrc, rtx_ssrc, rid }: &Encoding| (*ssrc, *rtx_ssrc, rid.clone());
    (section.mid.clone(), *slot, *bundle, section.csrc, section.encodings.iter().map(encoding).collect())
}

/// Keeps the mid, which cannot be empty.
fn without_own(accepted: &AcceptedSection) -> AcceptedSection {
    let section = Section { encodings: Vec::new(), csrc: 0, ..accepted.section.clone() };
    AcceptedSection { section, slot: None, bundle: None, ..accepted.clone() }
}

fn with_own(common: AcceptedSection, (mid, slot, bundle, csrc, encodings): Own) -> AcceptedSection {
    let encoding = |(ssrc, rtx_ssrc, rid)| Encoding { ssrc, rtx_ssrc, rid };
    let encodings = encodings.into_iter().map(encoding).collect();
    AcceptedSection { section: Section { mid, encodings, csrc, ..common.section }, slot, bundle, ..common }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::rtp_parameters::{Codec, CodecName, Flow, HeaderExtensions, MediaKind};

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        sections: Vec<AnsweredSection>,
    }

    fn slot(number: u8, payload_type: u8) -> AnsweredSection {
        let codec = Codec { name: CodecName::Opus, payload_type, rtx_payload_type: None, clock_rate: 48_000 };
        let ssrc = u32::from(number) + 7;
        AnsweredSection::Accepted(AcceptedSection {
            section: Section {
                mid: Mid::parse(&number.to_string()).unwrap(),
                kind: MediaKind::Audio,
                flow: Flow::NodeToClient,
                codecs: vec![codec],
                extensions: HeaderExtensions { mid: Some(4), ..HeaderExtensions::default() },
                encodings: vec![Encoding { ssrc: Some(ssrc), rtx_ssrc: None, rid: None }],
                csrc: u32::from(number),
            },
            slot: Some(number),
            feedback: vec![],
            codec_feedback: vec![],
            rtcp_rsize: true,
            protocol: "UDP/TLS/RTP/SAVPF".into(),
            bundle: Some(u16::from(number)),
            one_way: vec![],
        })
    }

    fn rejected() -> AnsweredSection {
        AnsweredSection::Rejected(RejectedSection {
            mid: None,
            media: "application".into(),
            protocol: "UDP/DTLS/SCTP".into(),
            format: "webrtc-datachannel".into(),
        })
    }

    #[test]
    fn reads_what_it_packs() {
        let row = Row { sections: vec![slot(0, 111), rejected(), slot(2, 111), slot(3, 112)] };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
        assert_eq!(text.matches("48000").count(), 2, "sections with the same codecs are alike: {text}");
    }

    #[test]
    fn reads_the_list_of_an_earlier_version() {
        let text = r#"{"sections":[
            {"answer":"accepted","section":{"mid":"0","kind":"audio","flow":"node_to_client","codecs":[{"name":"opus",
             "payload_type":111,"rtx_payload_type":null,"clock_rate":48000}],"extensions":{"mid":4,"rid":null},"encodings":
             [{"ssrc":7,"rtx_ssrc":null,"rid":null}],"csrc":0},"slot":0,"feedback":[],"rtcp_rsize":true,"bundle":0},
            {"answer":"rejected","mid":null,"media":"application","protocol":"UDP/DTLS/SCTP","format":
             "webrtc-datachannel"}]}"#;
        assert_eq!(serde_json::from_str::<Row>(text).unwrap(), Row { sections: vec![slot(0, 111), rejected()] });
    }

    #[test]
    fn a_section_like_none_is_refused() {
        let text = r#"{"sections":{"common":[],"each":[{"like":[0,["0",null,null,0,[]]]}]}}"#;
        assert!(serde_json::from_str::<Row>(text).is_err());
    }
}
