//! What browsers offer is understood; what nobody should offer is refused.

use super::*;
use shared::ErrorCode;
use shared::rtp_parameters::{CodecName, MediaKind};

/// An offer as a browser made it.
pub(crate) fn captured(name: &str) -> String {
    let path = format!("{}/../../tests/vectors/offers/{name}.sdp", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One word for each section: kind, direction, payload types, SSRCs, extensions.
fn summary(name: &str) -> Vec<String> {
    let offer = Offer::read(&captured(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let section = |section: &OfferedSection| {
        let state = match (section.rejected, section.direction) {
            (true, _) => "rejected",
            (false, Direction::SendRecv) => "sendrecv",
            (false, Direction::SendOnly) => "send",
            (false, Direction::RecvOnly) => "recv",
            (false, Direction::Inactive) => "inactive",
        };
        let codec = section.codecs.first().map_or("-".to_string(), |codec| {
            let rtx = codec.rtx_payload_type.map_or(String::new(), |rtx| format!("+{rtx}"));
            format!("{}{rtx}", codec.payload_type)
        });
        let ssrcs = usize::from(section.encoding.ssrc.is_some()) + usize::from(section.encoding.rtx_ssrc.is_some());
        format!("{}:{} {state} {codec} {ssrcs}", section.mid, section.media)
    };
    offer.sections.iter().map(section).collect()
}

fn check_offer(name: &str, expected: &[&str]) {
    assert_eq!(summary(name), expected, "{name}");
}

#[test]
fn reads_what_browsers_publish() {
    check_offer("chromium-publish", &["0:audio send 111 1", "1:video send 96+97 2"]);
    check_offer("firefox-publish", &["0:audio send 109 1", "1:video send 120+124 2"]);
    check_offer("chromium-simulcast", &["0:video send 96+97 0"]);
    check_offer("firefox-simulcast", &["0:video send 120+124 2"]);
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
        assert!(summary[1].starts_with("1:video rejected"), "{name}: {}", summary[1]);
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
            "4:application sendrecv - 0",
        ],
    );
    assert_eq!(summary("firefox-data")[4], "4:application sendrecv - 0");
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
    let [audio, video] = [&offer.sections[0], &offer.sections[1]];
    let ids = |s: &OfferedSection| {
        let e = s.extensions;
        [e.mid, e.rid, e.repaired_rid, e.abs_send_time, e.audio_level, e.video_orientation, e.transport_cc]
    };
    assert_eq!(ids(audio), [Some(4), None, None, Some(2), Some(1), None, Some(3)]);
    assert_eq!(ids(video), [Some(4), Some(10), Some(11), Some(2), None, Some(13), Some(3)]);
    assert_eq!((&audio.feedback[..], &video.feedback[..]), (&[Feedback::TransportCc][..], &Feedback::ALL[..]));
    assert_eq!((audio.codecs[0].name, video.codecs[0].name), (CodecName::Opus, CodecName::Vp8));
    assert_eq!((audio.kind(), video.kind()), (Some(MediaKind::Audio), Some(MediaKind::Video)));
    // Firefox says which way an extension goes, and does not offer reduced-size RTCP for sound.
    let offer = Offer::read(&captured("firefox-simulcast")).unwrap();
    assert_eq!(ids(&offer.sections[0]), [Some(3), Some(9), Some(10), Some(4), None, None, None]);
    assert!(!Offer::read(&captured("firefox-join")).unwrap().sections[0].rtcp_rsize);
}

/// Refuses what becomes of Chromium's offer to publish.
fn check_refused(change: impl Fn(&str) -> String, code: ErrorCode, expected: &str) {
    let error = Offer::read(&change(&captured("chromium-publish"))).expect_err(expected);
    assert_eq!((error.code(), error.to_string().as_str()), (code, expected));
}

/// The offer without the lines that begin with `prefix`.
fn without<'a>(prefix: &'a str) -> impl Fn(&str) -> String + 'a {
    move |sdp| sdp.lines().filter(|line| !line.starts_with(prefix)).map(|line| format!("{line}\r\n")).collect()
}

/// The offer with every `from` replaced.
fn with<'a>(from: &'a str, to: &'a str) -> impl Fn(&str) -> String + 'a {
    move |sdp| sdp.replace(from, to)
}

#[test]
fn refuses_a_client_that_cannot_be_reached_or_known() {
    let (code, ice) = (ErrorCode::InvalidOffer, "the offer has no valid ice-ufrag and ice-pwd");
    check_refused(without("a=ice-ufrag"), code, ice);
    check_refused(without("a=ice-pwd"), code, ice);
    check_refused(with("a=ice-ufrag:AI3+", "a=ice-ufrag:AI3"), code, ice);
    check_refused(with("a=ice-ufrag:AI3+", "a=ice-ufrag:A I3+"), code, ice);
    check_refused(with("a=ice-pwd:M9uP", "a=ice-pwd:"), code, ice);
    let fingerprint = "the offer has no sha-256 fingerprint";
    check_refused(without("a=fingerprint"), code, fingerprint);
    check_refused(with("sha-256", "sha-1"), code, fingerprint);
    check_refused(with("9F:2C", "9F2C"), code, fingerprint);
    check_refused(with("setup:actpass", "setup:passive"), code, "the offer's setup must be actpass or active");
    check_refused(with("setup:actpass", "setup:holdconn"), code, "the offer's setup must be actpass or active");
}

#[test]
fn refuses_transports_of_their_own() {
    let code = ErrorCode::InvalidOffer;
    check_refused(without("a=group"), code, "section 0 is not in the BUNDLE group: offer with max-bundle");
    check_refused(with("BUNDLE 0 1", "BUNDLE 0"), code, "section 1 is not in the BUNDLE group: offer with max-bundle");
    check_refused(without("a=rtcp-mux"), code, "section 0 does not multiplex RTCP");
}

#[test]
fn refuses_sections_without_a_name_of_their_own() {
    let code = ErrorCode::InvalidOffer;
    check_refused(without("a=mid"), code, "section 0 of the offer has no mid of its own");
    check_refused(with("a=mid:1", "a=mid:0"), code, "section 1 of the offer has no mid of its own");
    check_refused(with("a=mid:1", "a=mid:\u{e9}"), code, "section 1 of the offer has no mid of its own");
}

#[test]
fn refuses_what_is_not_an_offer() {
    let code = ErrorCode::InvalidOffer;
    for text in ["", "v=0\r\ns=-\r\n"] {
        assert_eq!(Offer::read(text), Err(OfferError::NoSections), "{text:?}");
    }
    assert_eq!(Offer::read("hello"), Err(OfferError::Line { line: 1 }));
    let all_rejected = |sdp: &str| sdp.replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0");
    check_refused(all_rejected, code, "the offer has no section to carry media");
    check_refused(with("m=audio 9", "m=smell 9"), code, "line 8 of the offer cannot be read");
    check_refused(with("a=rtpmap:111 opus", "a=rtpmap:111"), code, "line 26 of the offer cannot be read");
    // A lone carriage return would end a line of the answer.
    check_refused(with("UDP/TLS/RTP/SAVPF 111", "UDP/TLS\r/RTP 111"), code, "line 8 of the offer cannot be read");
}

#[test]
fn refuses_what_is_too_large() {
    let long = |sdp: &str| format!("{sdp}a={}\r\n", "x".repeat(3000));
    check_refused(long, ErrorCode::InvalidOffer, "line 162 of the offer cannot be read");
    let many = |sdp: &str| format!("{sdp}{}", "a=x\r\n".repeat(9000));
    check_refused(many, ErrorCode::InvalidOffer, "the offer has more than 8192 lines");
    let sections = |sdp: &str| format!("{sdp}{}", "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n".repeat(54));
    check_refused(sections, ErrorCode::TooManySections, "the offer has more than 55 sections");
    let formats = |sdp: &str| format!("{sdp}m=audio 0 UDP/TLS/RTP/SAVPF{}\r\n", " 0".repeat(129));
    check_refused(formats, ErrorCode::InvalidOffer, "line 162 of the offer cannot be read");
}

/// Answers everything that can be taken.
fn accept(offered: &OfferedSection) -> AnsweredSection {
    use shared::rtp_parameters::{Flow, Section};
    let Some(kind) = offered.kind().filter(|_| !offered.rejected && !offered.codecs.is_empty()) else {
        return AnsweredSection::rejecting(offered);
    };
    let section = Section {
        mid: offered.mid.clone(),
        kind,
        flow: Flow::Inactive,
        codecs: offered.codecs.clone(),
        extensions: offered.extensions,
        encodings: vec![],
        csrc: 0,
    };
    AnsweredSection::Accepted { section, slot: None, feedback: vec![], rtcp_rsize: offered.rtcp_rsize }
}

/// Whatever is understood can be answered, section for section, in lines that nothing of the offer can break.
fn check_answerable(text: &str) {
    let Ok(offer) = Offer::read(text) else { return };
    let sections: Vec<_> = offer.sections.iter().map(accept).collect();
    let transport = Transport { ufrag: "ufrag", pwd: "password", fingerprint: offer.fingerprint, candidates: &[] };
    let answer = Answer { origin: 1, version: 1, cname: "c", transport, sections: &sections }.write();
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
    // Those without slots: what is in a slot is in them too.
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
