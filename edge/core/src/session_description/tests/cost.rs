//! Reading an offer takes a time linear in its size, whatever is in it.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test measures how long reading takes")]

use super::*;
use crate::steps;
use std::time::{Duration, Instant};

fn steps(text: &str) -> u64 {
    steps::count(|| drop(Offer::read(text)))
}

/// The shortest of a few tries, as the machine may be busy.
fn took(text: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        let _ = Offer::read(text);
        start.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

/// Chromium's offer to publish with these lines added to its last section, the video one.
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

#[test]
fn the_largest_offers_are_read_or_refused_at_once() {
    let many_tags = captured("situations/baseline").replace("BUNDLE 0", &format!("BUNDLE{}", " 0 1".repeat(100_000)));
    let formats = captured("situations/baseline").replace("SAVPF 111", &format!("SAVPF{} 111", " 96".repeat(150_000)));
    let apts = with_lines(&format!("a=fmtp:9 {}\r\n", "apt=96;".repeat(60_000)));
    for (name, text) in [
        ("125 KB", formats_times_rtpmaps_times_fmtps(4_000)),
        ("250 KB", formats_times_rtpmaps_times_fmtps(8_000)),
        ("465 KB", apt_times_rtpmaps()),
        ("as many as a section may have", formats_times_rtpmaps_times_fmtps(500)),
        ("tags", many_tags),
        ("formats", formats),
        ("apts", apts),
        ("rids", with_lines(&"a=rid:q send pt=1,2,3,4,5,6,7,8,9\r\n".repeat(12_000))),
        ("layers", with_lines(&format!("a=rid:q send\r\na=simulcast:send {}\r\n", "x,y;~z;".repeat(50_000)))),
        ("junk", with_lines(&"a=x\r\n".repeat(100_000))),
        ("fingerprints", with_lines(&"a=fingerprint:sha-256 00\r\n".repeat(18_000))),
    ] {
        assert!(steps(&text) < text.len() as u64, "{name}: {} steps for {} bytes", steps(&text), text.len());
    }
    for text in [formats_times_rtpmaps_times_fmtps(4_000), apt_times_rtpmaps()] {
        let took = took(&text);
        assert!(took < Duration::from_millis(100), "{} bytes took {took:?}", text.len());
    }
}

#[test]
fn twice_the_lines_take_at_most_twice_the_steps() {
    let rest = steps(&with_lines(""));
    for (kind, line) in [
        ("rtpmap", "a=rtpmap:96 VP8/90000\r\n"),
        ("fmtp", "a=fmtp:97 apt=96;apt=98;apt=100\r\n"),
        ("rtcp-fb", "a=rtcp-fb:* nack pli\r\n"),
        ("extmap", "a=extmap:3 urn:3gpp:video-orientation\r\n"),
        ("fingerprint", "a=fingerprint:sha-256 00:11\r\n"),
        ("ssrc", "a=ssrc:1 cname:x\r\n"),
        ("ssrc-group", "a=ssrc-group:FID x y\r\n"),
        ("rid", "a=rid:q send pt=96,97;max-width=1280\r\n"),
        ("simulcast", "a=simulcast:send q;h,f;~f\r\n"),
        ("mid", "a=mid:1\r\n"),
        ("unknown", "a=x y z\r\n"),
        ("all", "a=rtpmap:96 x/1\r\na=fmtp:96 apt=96\r\na=rtcp-fb:96 x\r\na=extmap:1 x\r\n"),
    ] {
        let [once, twice] = [100, 200].map(|count| steps(&with_lines(&line.repeat(count))) - rest);
        assert!(once > 0 && twice <= 2 * once + 10, "{kind}: {once} steps, doubled {twice}");
    }
}

#[test]
fn a_section_with_too_many_lines_is_refused_where_they_begin_to_be_too_many() {
    let error = Offer::read(&apt_times_rtpmaps()).map(|_| ()).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyLines);
    assert_eq!(error.code(), ErrorCode::InvalidOffer);
}
