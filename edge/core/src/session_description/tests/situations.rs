//! Offers that failed in the field, one file for each situation, and the outcome of each.

use super::*;

#[test]
fn no_mid_is_answered_twice() {
    for (name, mid) in [("a-stopped-section-with-the-mid-of-another", "0"), ("two-stopped-sections-with-one-mid", "1")]
    {
        let offer = Offer::read(&captured(&format!("situations/{name}"))).unwrap();
        assert_eq!(answer(&offer).matches(&format!("a=mid:{mid}\r\n")).count(), 1, "{name}");
    }
}

/// One line with an offer's outcome: the refusal, or the group and the `m=` lines of the answer with the negotiated
/// parameters.
fn outcome(text: &str) -> String {
    let offer = match Offer::read(text) {
        Ok(offer) => offer,
        Err(error) => return format!("{}: {error}", error.code()),
    };
    let answer = answer(&offer);
    let mut words = Vec::new();
    for line in answer.lines() {
        if let Some(group) = line.strip_prefix("a=group:") {
            words.push(group.to_string());
        } else if let Some(head) = line.strip_prefix("m=") {
            words.push(format!("| {head}"));
        } else if let Some(name) = ["inactive", "sendonly", "recvonly"].iter().find(|name| line == format!("a={name}"))
        {
            words.push((*name).to_string());
        } else if let Some(extension) = line.strip_prefix("a=extmap:") {
            words.push(format!("+{}", extension.split(' ').next().unwrap_or_default()));
        } else if line.starts_with("a=rtcp-fb:") {
            words.push("fb".into());
        } else if line.starts_with("a=rid:") {
            words.push("rid".into());
        } else if let Some(layers) = line.strip_prefix("a=simulcast:") {
            words.push(layers.into());
        } else if line.starts_with("a=candidate:1 ") {
            words.push("tag".into());
        }
    }
    words.join(" ")
}

fn check(situations: &[(&str, &str)]) {
    for (name, expected) in situations {
        assert_eq!(outcome(&captured(&format!("situations/{name}"))), *expected, "{name}");
    }
}

const JOINED: &str = "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly";
const JOINED_TWO: &str = "BUNDLE 0 1 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly \
                          | video 7000 UDP/TLS/RTP/SAVPF 96 97 sendonly fb fb";

#[test]
fn what_is_irrelevant_is_ignored_and_what_is_not_supported_is_rejected_alone() {
    let with = |rejected: &str| format!("{JOINED} | {rejected} inactive");
    check(&[
        ("baseline", JOINED),
        ("a-stopped-section-without-a-mid", &with("video 0 UDP/TLS/RTP/SAVPF 0")),
        ("a-stopped-section-full-of-nonsense", &with("video 0 RTP/UNHEARD-OF xyz")),
        ("a-text-section", &with("text 0 RTP/AVP 98")),
        (
            "an-image-section-first",
            "BUNDLE 0 | image 0 udptl t38 inactive | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly",
        ),
        ("an-unknown-media-type", &with("smell 0 UDP/TLS/RTP/SAVPF 1")),
        ("a-data-section", &with("application 0 UDP/DTLS/SCTP webrtc-datachannel")),
        ("an-identity-of-3000-letters", JOINED),
        ("a-tab-in-the-subject", JOINED),
        ("lines-that-are-not-sdp", JOINED),
        ("a-broken-line-of-another-codec", JOINED),
        (
            "profile-UDP-TLS-UDPTL",
            "unsupported_media: line 10 of the offer, m=: this protocol is not supported; UDP/TLS/RTP/SAVPF is",
        ),
    ]);
}

#[test]
fn a_section_that_is_not_wanted_or_cannot_be_used_refuses_no_other() {
    let with = |rejected: &str| format!("{JOINED} | {rejected} inactive");
    let not_muxed = "m=: the section has no a=rtcp-mux, but RTP and RTCP must share one transport";
    check(&[
        ("a-stopped-section-without-formats", &with("video 0 UDP/TLS/RTP/SAVPF 0")),
        // A word that cannot be repeated is replaced.
        ("a-stopped-section-with-a-word-of-65-letters", &with("video 0 UDP/TLS/RTP/SAVPF 0")),
        ("a-text-section-with-a-port-that-is-no-number", &with("text 0 RTP/AVP 98")),
        ("a-text-section-with-a-protocol-of-65-letters", &with("text 0 UDP/TLS/RTP/SAVPF 98")),
        ("a-text-section-with-a-format-of-65-letters", &with("text 0 RTP/AVP 0")),
        (
            "a-control-character-in-an-m-line",
            "BUNDLE 0 | text 0 UDP/TLS/RTP/SAVPF 98 inactive | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly",
        ),
        ("a-text-section-with-nothing-else", &with("text 0 UDP/TLS/RTP/SAVPF 0")),
        ("a-port-that-is-no-number-in-the-second-section", &with("video 0 UDP/TLS/RTP/SAVPF 96")),
        ("no-rtcp-mux-in-the-second-section", &with("video 0 UDP/TLS/RTP/SAVPF 96")),
        ("no-mid-in-the-second-section", &with("video 0 UDP/TLS/RTP/SAVPF 96")),
        ("a-mid-of-17-letters-in-the-second-section", &with("video 0 UDP/TLS/RTP/SAVPF 96")),
    ]);
    // The offerer takes the media types of the answer for its own (RFC 3264 §6), and the tagged section is the transport's.
    check(&[
        (
            "a-media-type-of-65-letters",
            "invalid_offer: line 16 of the offer, m=: only visible ASCII characters are allowed, at most 64 per word",
        ),
        (
            "a-section-without-a-media-type",
            "invalid_offer: line 16 of the offer, m=: a media type, a port, a protocol and at least one format are needed",
        ),
        ("no-rtcp-mux-in-the-tagged-section", &format!("invalid_offer: line 10 of the offer, {not_muxed}")),
    ]);
}

#[test]
fn blanks_do_not_count() {
    check(&[
        ("blanks-behind-every-line", JOINED_TWO),
        ("tabs-behind-every-line", JOINED_TWO),
        ("carriage-returns-behind-every-line", JOINED_TWO),
        ("blanks-before-every-line", JOINED_TWO),
        (
            "repeated-blanks",
            "BUNDLE 0 1 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly | video 7000 UDP/TLS/RTP/SAVPF 96 97 sendonly +4 fb fb",
        ),
    ]);
    let offer = Offer::read(&captured("situations/repeated-blanks")).unwrap();
    let encoding = &offer.sections[1].usable().unwrap().encoding;
    assert_eq!((encoding.ssrc, encoding.rtx_ssrc), (Some(11), Some(12)));
}

#[test]
fn nobody_joins_without_a_connection() {
    check(&[
        (
            "h264-slots-only",
            "unsupported_media: line 10 of the offer, m=: the video section offers no VP8/90000, and no H264/90000 of a known profile in packetization mode 1",
        ),
        (
            "data-only",
            "unsupported_media: line 10 of the offer, m=: this media type is not supported; audio and video are",
        ),
        ("everything-stopped", "invalid_offer: line 10 of the offer, m=: every section of the offer has port 0"),
        ("no-section", "invalid_offer: the offer has no m= line"),
        (
            "an-ice-lite-client",
            "invalid_offer: line 10 of the offer, a=ice-lite: the server is ICE-lite too, so the client must be a full ICE agent",
        ),
    ]);
}

#[test]
fn one_rule_decides_what_shares_the_transport() {
    let not_bundled =
        "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly | video 0 UDP/TLS/RTP/SAVPF 96 inactive";
    check(&[
        (
            "the-second-section-is-tagged",
            "BUNDLE 1 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 recvonly | video 7000 UDP/TLS/RTP/SAVPF 96 97 tag sendonly fb fb",
        ),
        ("one-section-without-a-group", "| audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly"),
        (
            "two-sections-without-a-group",
            "| audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly | video 0 UDP/TLS/RTP/SAVPF 96 inactive",
        ),
        ("a-section-outside-the-group", not_bundled),
        ("two-groups", not_bundled),
        (
            "the-tagged-section-is-not-supported",
            "unsupported_media: line 10 of the offer, a=group: the first section of the BUNDLE group cannot be accepted, so the \
             others cannot either: line 16 of the offer, m=: the video section offers no VP8/90000, and no H264/90000 \
             of a known profile in packetization mode 1",
        ),
        ("the-tagged-section-is-stopped", not_bundled),
        (
            "a-stopped-section-with-the-mid-of-another",
            "BUNDLE 0 | video 0 UDP/TLS/RTP/SAVPF 96 inactive | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly",
        ),
        ("the-group-names-strangers", JOINED),
        ("bundle-only-outside-a-group", not_bundled),
        ("bundle-only-without-a-transport-of-its-own", JOINED_TWO),
        ("the-transport-is-in-a-section-that-is-not-tagged", JOINED_TWO),
    ]);
}

#[test]
fn the_session_has_defaults_for_its_sections() {
    check(&[
        (
            "a-direction-for-the-session",
            "BUNDLE 0 1 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag sendonly | video 7000 UDP/TLS/RTP/SAVPF 96 97 recvonly fb fb",
        ),
        ("inactive-for-the-session", "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag inactive"),
        ("extensions-for-the-session", "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag recvonly +4 +1/recvonly"),
        ("rtcp-mux-for-the-session", JOINED),
        // RFC 4145 §4: the role's case does not count.
        ("setup-in-capital-letters", JOINED),
    ]);
}

#[test]
fn the_answer_repeats_the_profile() {
    for profile in
        ["UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "RTP/AVPF", "RTP/AVP"]
    {
        let name = format!("profile-{}", profile.replace('/', "-"));
        check(&[(&name, &JOINED.replace("UDP/TLS/RTP/SAVPF", profile))]);
    }
}

#[test]
fn the_directions_of_extensions_are_reversed_or_the_line_is_left_out() {
    let audio = "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 111 tag";
    check(&[
        ("extensions-with-directions-published", &format!("{audio} recvonly +4 +2/recvonly")),
        ("extensions-with-directions-received", &format!("{audio} sendonly +4 +1/sendonly")),
        ("extensions-with-directions-inactive", &format!("{audio} inactive +4")),
        ("extensions-with-ids-out-of-range", &format!("{audio} recvonly +3")),
    ]);
}

#[test]
fn an_id_has_the_first_meaning_of_the_nearest_level() {
    check(&[
        ("an-id-of-the-session-with-another-meaning-in-the-section", &format!("{JOINED} +1")),
        ("an-id-that-another-extension-has", &format!("{JOINED} +1")),
    ]);
}

#[test]
fn redundant_audio_is_taken_where_all_its_blocks_are_opus() {
    check(&[
        ("redundant-audio-first", "BUNDLE 0 | audio 7000 UDP/TLS/RTP/SAVPF 63 111 tag recvonly"),
        ("redundant-audio-of-another-codec", JOINED),
        ("redundant-audio-without-parameters", JOINED),
        (
            "redundant-audio-alone",
            "unsupported_media: line 10 of the offer, m=: the audio section offers no opus/48000/2",
        ),
    ]);
    let text = answer(&Offer::read(&captured("situations/redundant-audio-first")).unwrap());
    let (opus, red) = (text.find("a=rtpmap:111 opus/48000/2\r\n"), text.find("a=fmtp:63 111/111\r\n"));
    assert!(opus.is_some() && red.is_some(), "{text}");
}

#[test]
fn layers_that_can_be_told_apart_are_accepted_and_the_others_left_out() {
    let video = |rest: &str| format!("BUNDLE 0 | video 7000 UDP/TLS/RTP/SAVPF 96 97 tag {rest}");
    let three = video("recvonly +9 +10 +11 rid rid rid recv q;h;f");
    check(&[
        ("simulcast", &three),
        ("simulcast-of-four-layers", &three),
        ("simulcast-with-alternatives-and-pauses", &video("recvonly +9 +10 +11 rid rid rid recv q;h2;f")),
        ("simulcast-with-blanks-between-its-layers", &three),
        ("simulcast-with-blanks-around-every-sign", &video("recvonly +9 +10 +11 rid rid rid recv q;h2;f")),
        ("simulcast-in-both-directions", &video("recvonly +9 +10 +11 rid rid recv q;h")),
        ("simulcast-with-rids-that-nobody-can-use", &video("recvonly +9 +10 +11 rid rid recv q;h")),
        ("simulcast-of-another-codec", &video("recvonly +9 +10 +11 rid recv q")),
        ("simulcast-without-rids", &video("recvonly +9 +10 +11")),
        ("simulcast-without-streams", &video("recvonly +9 +10 +11")),
        ("simulcast-without-the-extension-for-rids", &video("recvonly +9 +11")),
        ("simulcast-to-receive", &video("sendonly +9 +10 +11")),
    ]);
}

#[test]
fn any_sha_256_fingerprint_may_be_the_clients() {
    let fingerprints = |name: &str| {
        let offer =
            Offer::read(&captured(&format!("situations/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        let all = std::iter::once(&offer.fingerprint).chain(&offer.other_fingerprints);
        all.map(|fingerprint| format!("{:02X}", fingerprint.0[0])).collect::<Vec<_>>().join(" ")
    };
    for (name, expected) in [
        ("two-sha-256-fingerprints", "11 9F"),
        ("fingerprints-of-several-hash-functions", "9F"),
        ("a-broken-fingerprint-beside-a-good-one", "9F"),
        ("a-fingerprint-of-the-section-replaces-that-of-the-session", "11"),
    ] {
        assert_eq!(fingerprints(name), expected, "{name}");
    }
    check(&[
        (
            "no-hash-function-that-we-know",
            "invalid_offer: line 8 of the offer, a=fingerprint: this hash function is not supported; sha-256 is",
        ),
        ("nine-fingerprints", "invalid_offer: line 16 of the offer, a=fingerprint: the offer has more than 8 digests"),
    ]);
}

#[test]
fn a_refusal_names_line_and_attribute() {
    let mid = "invalid_offer: line 12 of the offer, a=mid:";
    let at = |line: usize, rest: &str| format!("invalid_offer: line {line} of the offer, {rest}");
    let formats = "m=: a media type, a port, a protocol and at least one format are needed";
    check(&[
        ("a-mid-of-17-letters", &format!("{mid} mid must have 1 to 16 characters, not 17")),
        ("a-mid-with-a-colon", &format!("{mid} mid may only contain letters, digits and !#$%&'*+-.^_`{{|}}~")),
        ("every-letter-of-a-mid", &JOINED.replace("BUNDLE 0", "BUNDLE !#$%&'*+-.^_`{|}")),
        ("no-mid", &at(10, "m=: the section has no a=mid")),
        ("one-mid-twice", &at(18, "a=mid: the section in line 10 has the same mid")),
        (
            "a-blank-in-an-rtpmap",
            &at(
                15,
                "a=rtpmap: expected a payload type, a space and NAME/RATE, so the audio section offers no opus/48000/2",
            ),
        ),
        (
            "an-rtpmap-without-a-codec",
            &at(
                15,
                "a=rtpmap: expected a payload type, a space and NAME/RATE, so the audio section offers no opus/48000/2",
            ),
        ),
        (
            "opus-where-rtcp-would-be",
            "unsupported_media: line 10 of the offer, m=: the audio section offers no opus/48000/2",
        ),
        ("no-rtcp-mux", &at(10, "m=: the section has no a=rtcp-mux, but RTP and RTCP must share one transport")),
        ("no-fingerprint", &at(9, "m=: neither the section nor the session has an a=fingerprint")),
        ("no-ice-ufrag", &at(9, "m=: neither the section nor the session has an a=ice-ufrag")),
        ("no-ice-pwd", &at(9, "m=: neither the section nor the session has an a=ice-pwd")),
        ("an-ice-ufrag-of-3-letters", &at(6, "a=ice-ufrag: 4 to 256 letters, digits, + and / are needed (RFC 8839)")),
        ("an-ice-pwd-of-21-letters", &at(7, "a=ice-pwd: 22 to 256 visible characters are needed (RFC 8839)")),
        (
            "a-fingerprint-without-colons",
            &at(8, "a=fingerprint: a sha-256 digest has 32 bytes in hexadecimal, separated by colons"),
        ),
        (
            "a-passive-client",
            &at(9, "a=setup: the server is the DTLS server, so the client must offer actpass or active"),
        ),
        (
            "a-passive-client-in-a-section-that-is-not-tagged",
            &at(25, "a=setup: the server is the DTLS server, so the client must offer actpass or active"),
        ),
        ("a-port-that-is-no-number", &at(10, "m=: the port is not a number from 0 to 65535")),
        ("an-m-line-without-formats", &at(10, formats)),
        ("56-sections", "too_many_sections: line 70 of the offer, m=: the offer has more than 55 sections"),
    ]);
}

#[test]
fn every_situation_is_tried() {
    let folder = format!("{}/../../tests/vectors/offers/situations", env!("CARGO_MANIFEST_DIR"));
    let source = include_str!("situations.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".sdp");
        assert!(source.contains(name) || name.starts_with("profile-"), "{name}");
    }
}
