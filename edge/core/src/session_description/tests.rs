//! Browsers' offers are understood; invalid offers are refused.

mod cost;
mod situations;

use super::*;
use shared::ErrorCode;
use shared::rtp_parameters::{CodecName, Encoding, Fingerprint, Flow, Section};

/// An offer captured from a browser.
pub(crate) fn captured(name: &str) -> String {
    let path = format!("{}/../../tests/vectors/offers/{name}.sdp", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One word for each section: kind, direction, payload types, SSRCs, extensions.
fn summary(name: &str) -> Vec<String> {
    let offer = Offer::read(&captured(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let section = |section: &OfferedSection| {
        let name = format!("{}:{}", section.mid().unwrap_or("-"), section.media());
        let Some(section) = section.usable() else { return format!("{name} unusable") };
        let state = match section.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "send",
            Direction::RecvOnly => "recv",
            Direction::Inactive => "inactive",
        };
        let codec = section.codecs.first().map_or("-".to_string(), |codec| {
            let rtx = codec.rtx_payload_type.map_or(String::new(), |rtx| format!("+{rtx}"));
            format!("{}{rtx}", codec.payload_type)
        });
        let ssrcs = usize::from(section.encoding.ssrc.is_some()) + usize::from(section.encoding.rtx_ssrc.is_some());
        let layers = if section.layers.is_empty() { String::new() } else { format!(" {}", rids(&section.layers)) };
        format!("{name} {state} {codec} {ssrcs}{layers}")
    };
    offer.sections.iter().map(section).collect()
}

/// `q;h;f`, with a `+` after each layer whose streams are announced.
fn rids(layers: &[Encoding]) -> String {
    let word = |layer: &Encoding| {
        let announced = if layer.ssrc.is_some() && layer.rtx_ssrc.is_some() { "+" } else { "" };
        format!("{}{announced}", layer.rid.as_deref().unwrap_or("-"))
    };
    layers.iter().map(word).collect::<Vec<_>>().join(";")
}

fn check_offer(name: &str, expected: &[&str]) {
    assert_eq!(summary(name), expected, "{name}");
}

#[test]
fn reads_what_browsers_publish() {
    check_offer("chromium-publish", &["0:audio send 111 1", "1:video send 96+97 2"]);
    check_offer("firefox-publish", &["0:audio send 109 1", "1:video send 120+124 2"]);
    check_offer("chromium-simulcast", &["0:video send 96+97 0 q;h;f"]);
    check_offer("firefox-simulcast", &["0:video send 120+124 2 q+;h+;f+"]);
}

#[test]
fn reads_what_browsers_want_to_receive() {
    for (name, first, second) in [
        ("chromium-slots8", "audio recv 111 0", "video recv 96+97 0"),
        ("firefox-slots8", "audio recv 109 1", "video recv 120+124 1"),
    ] {
        let expected: Vec<String> =
            (0..16).map(|mid| format!("{mid}:{}", if mid % 2 == 0 { first } else { second })).collect();
        assert_eq!(summary(name), expected, "{name}");
    }
}

#[test]
fn reads_a_stopped_section_and_new_ones() {
    for name in ["chromium-sections", "firefox-sections"] {
        let summary = summary(name);
        assert_eq!(summary.len(), 22, "{name}");
        assert!(summary[1].starts_with("1:video unusable"), "{name}: {}", summary[1]);
        assert!(summary[21].starts_with("21:video recv"), "{name}: {}", summary[21]);
    }
}

#[test]
fn reads_a_data_section_without_taking_it_for_media() {
    check_offer(
        "chromium-data",
        &[
            "0:audio send 111 1",
            "1:video send 96+97 2",
            "2:audio recv 111 0",
            "3:video recv 96+97 0",
            "4:application unusable",
        ],
    );
    assert_eq!(summary("firefox-data")[4], "4:application unusable");
}

#[test]
fn an_ice_restart_changes_the_user_fragment_alone() {
    for browser in ["chromium", "firefox"] {
        let [join, restart] =
            ["join", "ice-restart"].map(|name| Offer::read(&captured(&format!("{browser}-{name}"))).unwrap());
        assert_ne!(join.ufrag, restart.ufrag, "{browser}");
        assert_eq!((join.fingerprint, join.sections), (restart.fingerprint, restart.sections), "{browser}");
    }
}

#[test]
fn knows_extensions_and_feedback() {
    let offer = Offer::read(&captured("chromium-join")).unwrap();
    let [audio, video] = [0, 1].map(|index| offer.sections[index].usable().expect("usable"));
    let ids = |section: &UsableSection| {
        let (e, _) = section.extensions.of(Flow::ClientToNode);
        [e.mid, e.rid, e.repaired_rid, e.abs_send_time, e.audio_level, e.video_orientation, e.transport_cc]
    };
    assert_eq!(ids(audio), [Some(4), None, None, Some(2), Some(1), None, Some(3)]);
    assert_eq!(ids(video), [Some(4), Some(10), Some(11), Some(2), None, Some(13), Some(3)]);
    assert_eq!((&audio.feedback[..], &video.feedback[..]), (&[Feedback::TransportCc][..], &Feedback::ALL[..]));
    assert_eq!((audio.codecs[0].name, video.codecs[0].name), (CodecName::Opus, CodecName::Vp8));
    // Firefox gives extensions a direction, and does not offer reduced-size RTCP for audio.
    let offer = Offer::read(&captured("firefox-simulcast")).unwrap();
    let simulcast = offer.sections[0].usable().unwrap();
    assert_eq!(simulcast.extensions.of(Flow::ClientToNode).1, [9, 10]);
    assert_eq!(ids(simulcast), [Some(3), Some(9), Some(10), Some(4), None, None, Some(7)]);
    assert!(!Offer::read(&captured("firefox-join")).unwrap().sections[0].usable().unwrap().rtcp_rsize);
}

#[test]
fn keeps_every_video_codec_that_is_forwarded_in_the_order_of_the_offer() {
    use CodecName::{H264ConstrainedBaseline, H264Main, Vp8};
    let offer = captured("chromium-publish");
    let codecs = |text: &str| -> Vec<_> {
        let offer = Offer::read(text).unwrap();
        let section = offer.sections[1].usable().expect("usable");
        assert_eq!(section.feedback, Feedback::ALL);
        section.codecs.iter().map(|codec| (codec.name, codec.payload_type, codec.rtx_payload_type)).collect()
    };
    let (vp8, main) = ((Vp8, 96, Some(97)), (H264Main, 116, Some(117)));
    let baseline = (H264ConstrainedBaseline, 108, Some(109));
    assert_eq!(codecs(&offer), [vp8, baseline, main]);
    let preferred = offer.replace("UDP/TLS/RTP/SAVPF 96 97 ", "UDP/TLS/RTP/SAVPF 108 96 97 ");
    assert_ne!(preferred, offer);
    assert_eq!(codecs(&preferred), [baseline, vp8, main]);
    let answer = answer(&Offer::read(&offer).unwrap());
    for line in [
        "m=video 7000 UDP/TLS/RTP/SAVPF 96 108 116 97 109 117",
        "a=rtpmap:108 H264/90000",
        "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        "a=rtcp-fb:108 nack pli",
        "a=fmtp:109 apt=108",
        "a=fmtp:116 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d0032",
    ] {
        assert!(answer.lines().any(|known| known == line), "{line} is in {answer}");
    }
}

#[test]
fn feedback_that_one_of_the_codecs_lacks_is_used_for_the_others() {
    let offer = captured("chromium-publish").replace("a=rtcp-fb:116 nack\r\n", "");
    let answered = answer(&Offer::read(&offer).unwrap());
    let has = |of: u8, kind: &str| answered.lines().any(|line| line == format!("a=rtcp-fb:{of} {kind}"));
    assert_eq!([96, 108, 116].map(|of| has(of, "nack")), [true, true, false], "{answered}");
    assert_eq!([96, 108, 116].map(|of| has(of, "nack pli")), [true; 3], "{answered}");
    // Transport feedback covers all packets or none.
    let offer = captured("chromium-publish").replace("a=rtcp-fb:116 transport-cc\r\n", "");
    let answered = answer(&Offer::read(&offer).unwrap());
    assert!(!answered.contains("a=rtcp-fb:96 transport-cc"), "{answered}");
}

/// Answers all acceptable sections, each in its offered direction.
fn answer(offer: &Offer) -> String {
    let sections: Vec<_> = offer.sections.iter().map(accept).collect();
    let candidates = ["203.0.113.7:7000".parse().unwrap()];
    let fingerprint = Fingerprint([7; 32]);
    let transport =
        Transport { ufrag: "ufrag", pwd: "password", fingerprint, candidates: &candidates, tcp_candidates: &[] };
    Answer { origin: 1, version: 1, cname: "c", transport, sections: &sections }.write()
}

fn accept(offered: &OfferedSection) -> AnsweredSection {
    let offered = match offered {
        OfferedSection::Usable(offered) => offered,
        OfferedSection::Unusable { head, .. } => return AnsweredSection::Rejected(head.clone()),
    };
    let flow = match offered.direction {
        Direction::SendRecv | Direction::SendOnly => Flow::ClientToNode,
        Direction::RecvOnly => Flow::NodeToClient,
        Direction::Inactive => Flow::Inactive,
    };
    let (extensions, one_way) = offered.extensions.of(flow);
    let section = Section {
        mid: offered.mid.clone(),
        kind: offered.kind,
        flow,
        codecs: offered.codecs.clone(),
        extensions,
        encodings: if flow == Flow::ClientToNode { offered.encodings() } else { Vec::new() },
        csrc: 0,
    };
    AnsweredSection::Accepted(AcceptedSection {
        section,
        slot: None,
        feedback: offered.feedback.clone(),
        codec_feedback: offered.codec_feedback.clone(),
        rtcp_rsize: offered.rtcp_rsize,
        protocol: offered.protocol.clone(),
        bundle: offered.bundle,
        one_way,
    })
}

/// Every accepted offer has a valid answer, section for section, and nothing in the offer can break its lines.
fn check_answerable(text: &str) {
    let Ok(offer) = Offer::read(text) else { return };
    let answer = answer(&offer);
    let media = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("m="));
        lines.map(|line| line.split(' ').next().unwrap_or_default().to_string()).collect()
    };
    assert_eq!(media(&answer), media(text));
    assert!(
        answer.lines().all(|line| line.len() > 2 && line.as_bytes()[1] == b'=' && !line.contains('\r')),
        "{answer}"
    );
}

// Holds S0-TEST-01.
#[test]
fn every_mutilated_offer_is_refused_or_answered() {
    // Offers without slots; slots contain all of these lines too.
    let short = ["publish", "simulcast", "data"];
    for name in short.iter().flat_map(|name| [format!("chromium-{name}"), format!("firefox-{name}")]) {
        let text = captured(&name);
        let lines: Vec<&str> = text.split_inclusive("\r\n").collect();
        for index in 0..lines.len() {
            check_answerable(&lines[..index].concat());
            check_answerable(&[&lines[..index], &lines[index + 1..]].concat().concat());
            check_answerable(&[&lines[..=index], &lines[index..]].concat().concat());
            let half = lines[index].len() / 2;
            let cut = [&lines[..index].concat(), &lines[index][..half], "\r\n", &lines[index + 1..].concat()].concat();
            check_answerable(&cut);
        }
    }
}
