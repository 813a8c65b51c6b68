//! Offers: the result of reading stays within limits and can be answered, and the reversed answer reads the same.

use edge_core::SocketId;
use edge_core::fleet::{PlaceAnswer, Placement, Relays};
use edge_core::room::{Attachment, Config, Input, Output, Room};
use edge_core::session_description::{AcceptedSection, Answer, AnsweredSection, Offer, OfferedSection, Transport};
use shared::rtp_parameters::{Fingerprint, Flow, Section, Session};
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, TrackIntent, TrackSource};
use shared::token::JoinClaims;
use shared::{AttemptId, ErrorCode, Mid, NodeId, ParticipantId, Region, RoomId, UnixMillis, limits};
use std::collections::BTreeSet;
use std::net::SocketAddr;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SOCKET: SocketId = SocketId(1);

/// Reads `bytes` as a standalone offer, and as the offer of a join.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = Offer::read(text);
    if let Ok(offer) = &read {
        check_again(offer);
    }
    check_join(text, read.is_ok());
}

fn check_again(offer: &Offer) {
    assert!((1..=limits::SECTIONS_PER_OFFER_MAX).contains(&offer.sections.len()));
    assert!(offer.other_fingerprints.len() < limits::FINGERPRINTS_PER_SESSION_MAX);
    assert!(offer.sections.iter().any(|section| section.usable().is_some()));
    let answered: Vec<AnsweredSection> = offer.sections.iter().map(answered).collect();
    let candidates = candidates();
    let answer = Answer {
        origin: 1,
        version: 1,
        cname: "room",
        transport: Transport {
            ufrag: "ufrag",
            pwd: "0123456789abcdefghijkl",
            fingerprint: Fingerprint([7; 32]),
            candidates: &candidates,
            tcp_candidates: &candidates,
        },
        sections: &answered,
    };
    let text = answer.write();
    check_lines(&text, offer.sections.len());
    // The answerer is the DTLS server and ICE-lite, so an offerer must be neither.
    let turned = text.replace("a=setup:passive", "a=setup:actpass").replace("a=ice-lite\r\n", "");
    let again =
        Offer::read(&turned).unwrap_or_else(|error| panic!("what we accept, we can say again: {error}\n{text}"));
    assert_eq!(again.sections.len(), offer.sections.len());
    let tag = |offer: &Offer| {
        let usable = offer.sections.iter().filter_map(OfferedSection::usable);
        usable.min_by_key(|section| section.bundle).map(|section| section.mid.clone())
    };
    assert_eq!(tag(&again), tag(offer));
    for (before, after) in offer.sections.iter().zip(&again.sections) {
        assert_eq!((after.mid(), after.media()), (before.mid(), before.media()));
        let (Some(before), Some(after)) = (before.usable(), after.usable()) else {
            assert!(before.usable().is_none() && after.usable().is_none());
            continue;
        };
        // From the other side: data to the client here is data from it there.
        let extensions = [before.extensions.of(Flow::NodeToClient).0, after.extensions.of(Flow::ClientToNode).0];
        assert_eq!(extensions[0], extensions[1]);
        assert_eq!((&after.codecs, &after.protocol), (&before.codecs, &before.protocol));
        assert_eq!(after.rtcp_rsize, before.rtcp_rsize);
        assert!(before.layers.len() <= limits::ENCODINGS_PER_SECTION_MAX);
        assert_eq!(after.encoding, before.encoding);
    }
}

fn answered(offered: &OfferedSection) -> AnsweredSection {
    let offered = match offered {
        OfferedSection::Usable(offered) => offered,
        OfferedSection::Unusable { head, .. } => return AnsweredSection::Rejected(head.clone()),
    };
    assert!((1..=limits::CODECS_PER_SECTION_MAX).contains(&offered.codecs.len()));
    assert!(offered.codecs.iter().all(|codec| codec.payload_type < 128));
    let (extensions, one_way) = offered.extensions.of(Flow::NodeToClient);
    let section = Section {
        mid: offered.mid.clone(),
        kind: offered.kind,
        flow: Flow::NodeToClient,
        codecs: offered.codecs.clone(),
        extensions,
        encodings: vec![offered.encoding.clone()],
        csrc: 0,
    };
    AnsweredSection::Accepted(AcceptedSection {
        section,
        slot: Some(0),
        feedback: offered.feedback.clone(),
        codec_feedback: offered.codec_feedback.clone(),
        rtcp_rsize: offered.rtcp_rsize,
        protocol: offered.protocol.clone(),
        bundle: offered.bundle,
        one_way,
    })
}

/// Nothing in the offer has broken out of its line.
fn check_lines(answer: &str, sections: usize) {
    let body = answer.strip_suffix("\r\n").expect("the last line ends");
    let lines: Vec<&str> = body.split("\r\n").collect();
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(matches!(line.as_bytes(), [b'v' | b'o' | b's' | b't' | b'c' | b'm' | b'a', b'=', ..]), "{line:?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("m=")).count(), sections);
}

/// A join with the offer gets an answer or an error code, and a node gets no value out of bounds.
fn check_join(offer: &str, is_readable: bool) {
    let mut room = Room::new(RoomId::parse("daily").expect("a name"), Config::default(), counting());
    room.handle_input(NOW, Input::SocketOpened(attachment()));
    let tracks = match Offer::read(offer) {
        Ok(offer) => offer.sections.iter().find_map(intent).into_iter().collect(),
        Err(_) => Vec::new(),
    };
    let attempt = AttemptId::parse("attempt").expect("a name");
    let message = ClientToEdge::Join { attempt, offer: offer.into(), tracks };
    let frame = Ok(ClientFrame { id: Some(1), message });
    room.handle_input(NOW, Input::ClientFrame { socket: SOCKET, frame });
    let mut replies = Vec::new();
    while let Some(output) = room.poll_output() {
        match output {
            Output::AskFleet(ask) => {
                ask.session.iter().for_each(check_session);
                room.handle_input(NOW, Input::FleetAnswered { epoch: ask.epoch, answer: placed() });
            }
            Output::SendClient { message, .. } => replies.push(message),
            Output::Store(_)
            | Output::SendClients { .. }
            | Output::SendNode { .. }
            | Output::CloseClient { .. }
            | Output::CloseNode { .. }
            | Output::AskTurn { .. }
            | Output::AskHeard { .. }
            | Output::Answer { .. }
            | Output::AnswerReport { .. } => {}
        }
    }
    match replies.first() {
        Some(EdgeToClient::Joined { answer, .. }) => {
            assert!(is_readable && replies.len() == 1);
            check_lines(answer, Offer::read(offer).expect("was read before").sections.len());
        }
        Some(EdgeToClient::Error { code, in_reply_to: Some(1), .. }) => assert!(ErrorCode::ALL.contains(code)),
        other => panic!("every request is answered, not with {other:?}"),
    }
}

fn intent(section: &OfferedSection) -> Option<TrackIntent> {
    let source = match section.media() {
        "audio" => TrackSource::Microphone,
        "video" => TrackSource::Camera,
        _ => return None,
    };
    let mid = Mid::parse(section.mid()?).ok()?;
    Some(TrackIntent { mid, source, muted: false })
}

fn check_session(session: &Session) {
    assert!(session.sections.len() <= limits::SECTIONS_PER_OFFER_MAX);
    assert!(session.fingerprints().count() <= limits::FINGERPRINTS_PER_SESSION_MAX);
    for section in &session.sections {
        assert!((1..=limits::CODECS_PER_SECTION_MAX).contains(&section.codecs.len()));
        assert!(section.encodings.len() <= limits::ENCODINGS_PER_SECTION_MAX);
        let rids: BTreeSet<_> = section.encodings.iter().map(|encoding| &encoding.rid).collect();
        assert_eq!(rids.len(), section.encodings.len(), "layers have different rids");
        let is_short = |rid: &String| (1..=limits::RID_BYTES_MAX).contains(&rid.len());
        assert!(rids.into_iter().flatten().all(is_short));
        assert!(section.mid.as_str().len() <= Mid::BYTES_MAX);
    }
}

fn attachment() -> Attachment {
    let claims = JoinClaims {
        name: "Ada".into(),
        ..JoinClaims::new(ParticipantId::parse("ada").expect("a name"), RoomId::parse("daily").expect("a name"))
    };
    Attachment::Client { socket: SOCKET, opened_at: NOW, claims, near: Vec::new(), trace: None }
}

fn placed() -> PlaceAnswer {
    let node = NodeId::parse("media-1").expect("a name");
    let region = Region::parse("local").expect("a name");
    let (fingerprint, relays) = (Fingerprint([7; 32]), Relays::new());
    PlaceAnswer::Placed(Placement {
        node,
        shard: 0,
        candidates: candidates(),
        tcp_candidates: candidates(),
        fingerprint,
        region,
        relays,
    })
}

fn candidates() -> Vec<SocketAddr> {
    vec![SocketAddr::from(([192, 0, 2, 7], 7_000)), SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 7_000))]
}

fn counting() -> edge_core::Random {
    let mut next = 0_u8;
    Box::new(move |buffer| {
        for byte in buffer {
            next = next.wrapping_mul(13).wrapping_add(7);
            *byte = next;
        }
    })
}
