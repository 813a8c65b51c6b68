//! Reading an offer takes time linear in its size, for any content.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test measures how long reading takes")]

use super::*;
use crate::steps;
use shared::limits;
use std::time::{Duration, Instant};

fn steps(text: &str) -> u64 {
    steps::count(|| drop(Offer::read(text)))
}

/// The shortest of a few tries, because the machine may be busy.
fn took(text: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        let _ = Offer::read(text);
        start.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

/// Chromium's publishing offer with these lines added to its last section, which is video.
fn with_lines(lines: &str) -> String {
    format!("{}{lines}", captured("chromium-publish"))
}

/// 125 KB: formats, rtpmap and fmtp lines that all name each other.
fn formats_times_rtpmaps_times_fmtps(lines: usize) -> String {
    let formats = " 96".repeat(127);
    let head = captured("situations/baseline").replace("SAVPF 111", &format!("SAVPF 0{formats}"));
    format!("{head}{}{}", "a=rtpmap:0 x\r\n".repeat(lines), "a=fmtp:0 apt=96\r\n".repeat(lines))
}

/// 465 KB, the largest frame but 50 KB.
fn apt_times_rtpmaps() -> String {
    let rtpmaps: String = (10..120).map(|of| format!("a=rtpmap:{of} VP8/90000\r\n")).collect();
    let apts: String = (10..120).map(|of| format!("apt={of};")).collect();
    let unknown = "a=rtpmap:9 x\r\n".repeat(5_500);
    with_lines(&format!("{rtpmaps}{unknown}{}", format!("a=fmtp:9 {apts}\r\n").repeat(480)))
}

/// 125 KB: the maximum number of fmtp and rtpmap lines, fmtp first, in six sections.
fn fmtps_before_rtpmaps() -> String {
    offer("", 6, &("a=fmtp:97 apt=96\r\n".repeat(512) + &"a=rtpmap:97 rtx/1\r\n".repeat(511)))
}

/// 480 KB: one session-level line that applies to every section.
fn long_session_line() -> String {
    offer(&format!("a=extmap:3{}u\r\n", " ".repeat(480_000)), SECTIONS, "")
}

/// An offer with these lines above its first section and in each of its audio sections.
fn offer(session: &str, sections: usize, lines: &str) -> String {
    let baseline = captured("situations/baseline");
    let (head, section) = baseline.split_at(baseline.find("m=").expect("a section"));
    let mids: String = (0..sections).map(|mid| format!(" {mid}")).collect();
    let mut text = head.replace("BUNDLE 0", &format!("BUNDLE{mids}")) + session;
    for mid in 0..sections {
        text += &section.replace("a=mid:0", &format!("a=mid:{mid}"));
        text += lines;
    }
    text
}

/// Every attribute that the parser reads, one that it ignores, and a valid value for each.
const ATTRIBUTES: [(&str, &str); 17] = [
    ("extmap", "3 urn:3gpp:video-orientation"),
    ("rtpmap", "96 VP8/90000"),
    ("fmtp", "97 apt=96;apt=98;apt=100"),
    ("rtcp-fb", "* nack pli"),
    ("rid", "q send pt=96,97;max-width=1280"),
    ("simulcast", "send q;h,f;~f"),
    ("ssrc", "1 cname:x"),
    ("ssrc-group", "FID x y"),
    ("fingerprint", "sha-256 00:11"),
    ("candidate", "1 1 udp 1 192.0.2.1 1 typ host"),
    ("group", "BUNDLE 0 1 2"),
    ("mid", "0"),
    ("ice-ufrag", "AI3+"),
    ("setup", "actpass"),
    ("sendonly", ""),
    ("ice-options", "trickle"),
    ("x", "y z"),
];

/// Lines of one attribute in every form: many of them, and one that is long wherever a separator or a word may be. All
/// grow with `size`.
fn lines_of((name, value): (&str, &str), size: usize) -> Vec<(String, String)> {
    let of = |form: &str| format!("{name}, {form}");
    let long = |text: &str| text.repeat(size * 8 / text.len());
    let mut lines = vec![(of("many"), format!("a={name}:{value}\r\n").repeat(size))];
    for filler in
        [" ", "\t", "\r", "x", " x", "/", "96/", ";", "x;", "apt=96;", ",", "q,", "~", ":", "00:", "0", " send q"]
    {
        lines.push((of(&format!("{filler:?} before")), format!("a={name}:{}{value}\r\n", long(filler))));
        lines.push((of(&format!("{filler:?} behind")), format!("a={name}:{value}{}\r\n", long(filler))));
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        lines.push((of(&format!("{filler:?} between")), format!("a={name}:{first} {}{rest}\r\n", long(filler))));
        lines.push((of(&format!("{filler:?} in its name")), format!("a={}{name}:{value}\r\n", long(filler))));
    }
    lines
}

/// Two kinds of lines that refer to each other, in both orders and alternating.
fn pairs(size: usize) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, first, second) in [
        ("rtpmap and fmtp", "a=rtpmap:97 rtx/90000\r\n", "a=fmtp:97 apt=111\r\n"),
        ("rtpmap and fmtp of redundant audio", "a=rtpmap:63 red/48000/2\r\n", "a=fmtp:63 111/111\r\n"),
        ("rtpmap and rtcp-fb", "a=rtpmap:111 opus/48000/2\r\n", "a=rtcp-fb:111 nack\r\n"),
        ("rid and simulcast", "a=rid:q send\r\n", "a=simulcast:send q;h\r\n"),
        ("rid and fmtp", "a=rid:q send pt=111\r\n", "a=fmtp:111 apt=111\r\n"),
        ("ssrc and ssrc-group", "a=ssrc:1 cname:x\r\n", "a=ssrc-group:FID 1 2\r\n"),
        ("extmap of two levels", "a=extmap:1 urn:x\r\n", "a=extmap:1 urn:3gpp:video-orientation\r\n"),
    ] {
        pairs.push((name.to_owned(), first.repeat(size) + &second.repeat(size)));
        pairs.push((format!("{name}, the other way"), second.repeat(size) + &first.repeat(size)));
        pairs.push((format!("{name}, in turns"), format!("{first}{second}").repeat(size)));
    }
    let many = |line: fn(usize) -> String| (0..size).map(line).collect::<String>();
    pairs.push(("rids that differ".into(), many(|n| format!("a=rid:r{n} send\r\n"))));
    pairs.push(("apts that differ".into(), many(|n| format!("a=fmtp:{} apt={}\r\n", n % 128, n * 7 % 128))));
    pairs.push(("rtpmaps that differ".into(), many(|n| format!("a=rtpmap:{} x/{n}\r\n", n % 128))));
    pairs.push(("streams that differ".into(), many(|n| format!("a=ssrc-group:FID {n} {}\r\n", n + 1))));
    pairs.push(("extensions that differ".into(), many(|n| format!("a=extmap:{} urn:{n}\r\n", n % 15))));
    pairs
}

/// Offers that make a careless parser slow, by name. Each list grows with `size`, in the same order.
fn layouts(size: usize) -> Vec<(String, String)> {
    let lines: Vec<_> = ATTRIBUTES.iter().flat_map(|attribute| lines_of(*attribute, size)).chain(pairs(size)).collect();
    let mut layouts = Vec::new();
    for (name, lines) in &lines {
        layouts.push((format!("{name}: of the session"), offer(lines, SECTIONS, "")));
        layouts.push((format!("{name}: of every section"), offer("", 8, lines)));
    }
    for (name, lines) in pairs(size) {
        layouts.push((format!("{name}: of the session and of every section"), offer(&lines, 8, &lines)));
    }
    let with = |from: &str, to: String| offer("", 8, "").replace(from, &to);
    layouts.push(("formats".into(), with("SAVPF 111", format!("SAVPF{} 111", " 96".repeat(size * 4)))));
    layouts.push(("blanks in the m= line".into(), with("SAVPF 111", format!("SAVPF{}111", " ".repeat(size * 8)))));
    layouts.push(("tags".into(), with("BUNDLE 0", format!("BUNDLE{}", " 0 1 x".repeat(size * 4)))));
    layouts.push(("lines that are none".into(), with("c=IN", format!("{}c=IN", "\r\nx\r\ny=\r\n=".repeat(size)))));
    let per_section = size / 8;
    layouts.push(("many sections, a long session line".into(), {
        let extension = format!("a=extmap:3{}u\r\n", " ".repeat(size * 64));
        offer(&extension, per_section.min(SECTIONS), "")
    }));
    layouts
}

const SECTIONS: usize = limits::SECTIONS_PER_OFFER_MAX;
/// Twice this is the maximum of a section for two kinds of lines.
const SIZE: usize = limits::LISTED_ATTRIBUTES_PER_SECTION_MAX / 4 - 2;
const STEPS_PER_BYTE_MAX: u64 = 12;

#[test]
fn steps_grow_as_bytes_do_whatever_the_layout() {
    let mut steep = Vec::new();
    for ((name, once), (same, twice)) in layouts(SIZE).into_iter().zip(layouts(2 * SIZE)) {
        assert_eq!(name, same);
        let of = |text: &str| (steps(text), text.len() as u64);
        let ((few, short), (many, long)) = (of(&once), of(&twice));
        // Growing lines may cost more steps per byte than the rest of the offer.
        if many > STEPS_PER_BYTE_MAX * long || many * short > few * long * 11 / 10 {
            steep.push(format!("{name}: {few} steps for {short} bytes, {many} for {long}"));
        }
    }
    assert!(steep.is_empty(), "{}", steep.join("\n"));
}

#[test]
fn the_largest_offers_are_read_or_refused_at_once() {
    for (name, text) in [
        ("125 KB", formats_times_rtpmaps_times_fmtps(4_000)),
        ("250 KB", formats_times_rtpmaps_times_fmtps(8_000)),
        ("465 KB", apt_times_rtpmaps()),
        ("as many as a section may have", formats_times_rtpmaps_times_fmtps(500)),
        ("fmtps before rtpmaps", fmtps_before_rtpmaps()),
        ("a long line for every section", long_session_line()),
        ("lines for every section", offer(&"a=extmap:3 u\r\n".repeat(30_000), SECTIONS, "")),
        (
            "as many lines for every section as the session may have",
            offer(&"a=extmap:3 u\r\n".repeat(1_000), SECTIONS, ""),
        ),
        ("tags", offer("", 2, "").replace("BUNDLE 0", &format!("BUNDLE{}", " 0 1".repeat(100_000)))),
        ("formats", offer("", 1, "").replace("SAVPF 111", &format!("SAVPF{} 111", " 96".repeat(150_000)))),
        ("apts", with_lines(&format!("a=fmtp:9 {}\r\n", "apt=96;".repeat(60_000)))),
        ("rids", with_lines(&"a=rid:q send pt=1,2,3,4,5,6,7,8,9\r\n".repeat(12_000))),
        ("layers", with_lines(&format!("a=rid:q send\r\na=simulcast:send {}\r\n", "x,y;~z;".repeat(50_000)))),
        ("junk", with_lines(&"a=x\r\n".repeat(100_000))),
        ("fingerprints", with_lines(&"a=fingerprint:sha-256 00\r\n".repeat(18_000))),
    ] {
        assert!(text.len() < limits::OFFER_FRAME_BYTES_MAX, "{name}: {} bytes", text.len());
        let steps = steps(&text);
        assert!(steps <= STEPS_PER_BYTE_MAX * text.len() as u64, "{name}: {steps} steps for {} bytes", text.len());
    }
    // Step counts omit uninstrumented work; time omits nothing, but depends on the machine's other load.
    for text in [formats_times_rtpmaps_times_fmtps(4_000), fmtps_before_rtpmaps()] {
        let took = took(&text);
        assert!(took < Duration::from_millis(100), "{} bytes took {took:?}", text.len());
    }
}

#[test]
fn the_session_may_have_no_more_lines_than_a_section() {
    let lines = "a=extmap:3 urn:x\r\n".repeat(limits::LISTED_ATTRIBUTES_PER_SECTION_MAX);
    let error = Offer::read(&offer(&lines, 1, "")).map(|_| ()).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyLines);
    // Eight lines precede it, one of them a fingerprint.
    let line = error.line.expect("a line");
    assert_eq!(line, 9 + limits::LISTED_ATTRIBUTES_PER_SECTION_MAX);
}

#[test]
fn a_section_with_too_many_lines_is_rejected_alone_where_they_begin_to_be_too_many() {
    let text = apt_times_rtpmaps();
    let offer = Offer::read(&text).expect("the audio section is usable");
    let Some(OfferedSection::Unusable { reason: Some(error), .. }) = offer.sections.last() else {
        panic!("{:?}", offer.sections.last())
    };
    assert_eq!((&error.problem, error.code()), (&Problem::TooManyLines, ErrorCode::InvalidOffer));
    let line = text.lines().nth(error.line.expect("a line") - 1);
    assert!(line.is_some_and(|line| line.starts_with("a=rtpmap:9 x")), "{line:?}");
    assert!(offer.sections.first().is_some_and(|section| section.usable().is_some()));
}
