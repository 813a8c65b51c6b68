//! Writes offers from captured ones of real browsers.

use shared::Mid;
use shared::rtp_parameters::{Fingerprint, MediaKind};

/// The browser whose offers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Chromium,
    Firefox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// SSRC of our track, and that of its retransmissions.
    Publish(u32, u32),
    Receive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub mid: Mid,
    pub kind: MediaKind,
    pub purpose: Purpose,
    /// For a camera in several layers: SSRCs of each layer and its retransmissions, lowest layer first.
    pub layers: Vec<(u32, u32)>,
}

/// Names of layers, the lowest first.
pub(super) const RIDS: [&str; 3] = ["q", "h", "f"];

/// The captured client did not ask for redundant audio (RFC 2198).
const RED: &str = " 63";
const RED_LINES: [&str; 2] = ["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"];

/// The transport's parameters in the offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub ufrag: String,
    pub pwd: String,
    /// Digest of the browser's certificate.
    pub fingerprint: Fingerprint,
}

/// The offer with these sections, the `version`-th of its connection.
#[must_use]
pub fn write(make: Make, version: u32, credentials: &Credentials, sections: &[Section]) -> String {
    let template = Template::of(make);
    let mids: Vec<&str> = sections.iter().map(|section| section.mid.as_str()).collect();
    let mut offer = String::new();
    for line in &template.session {
        let line = match line.split_once(':') {
            Some(("a=group", _)) => format!("a=group:BUNDLE {}", mids.join(" ")),
            Some(("a=fingerprint", _)) => format!("a=fingerprint:sha-256 {}", credentials.fingerprint),
            _ if line.starts_with("o=") => origin(line, version),
            _ => (*line).to_string(),
        };
        push(&mut offer, &line);
    }
    for section in sections {
        let is_heard = (section.kind, section.purpose) == (MediaKind::Audio, Purpose::Receive);
        let red = RED_LINES.iter().filter(|_| is_heard && make == Make::Chromium);
        for line in template.section(section).iter().chain(red.clone()) {
            if let Some(mut line) = filled(line, credentials, section, template.stream_ids(section)) {
                if line.starts_with("m=") && red.clone().next().is_some() {
                    line.push_str(RED);
                }
                push(&mut offer, &line);
            }
        }
        simulcast(&mut offer, &section.layers);
    }
    offer
}

/// Layers as offered by Chromium, with the streams that the client adds.
fn simulcast(offer: &mut String, layers: &[(u32, u32)]) {
    let rids = RIDS.get(..layers.len()).unwrap_or(&RIDS);
    for rid in rids {
        push(offer, &format!("a=rid:{rid} send"));
    }
    if !layers.is_empty() {
        push(offer, &format!("a=simulcast:send {}", rids.join(";")));
    }
    for (ssrc, rtx_ssrc) in layers {
        push(offer, &format!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
    }
}

fn push(offer: &mut String, line: &str) {
    offer.push_str(line);
    offer.push_str("\r\n");
}

/// The `o=` line with another version (RFC 8866 §5.2).
fn origin(line: &str, version: u32) -> String {
    let mut fields: Vec<String> = line.split(' ').map(str::to_string).collect();
    fields[2] = version.to_string();
    fields.join(" ")
}

/// One line of a section with this browser's values; `None` if the line belongs to another stream.
fn filled(line: &str, credentials: &Credentials, section: &Section, stream_ids: (&str, &str)) -> Option<String> {
    let Some((name, value)) = line.split_once(':') else { return Some(line.to_string()) };
    Some(match name {
        "a=ice-ufrag" => format!("{name}:{}", credentials.ufrag),
        "a=ice-pwd" => format!("{name}:{}", credentials.pwd),
        "a=fingerprint" => format!("{name}:sha-256 {}", credentials.fingerprint),
        "a=mid" => format!("{name}:{}", section.mid),
        "a=ssrc" | "a=ssrc-group" => {
            // Firefox also names an SSRC in receiving sections: the source of its reports.
            let (ssrc, rtx_ssrc) = match section.purpose {
                Purpose::Publish(ssrc, rtx_ssrc) => (ssrc, rtx_ssrc),
                Purpose::Receive => return None,
            };
            if !section.layers.is_empty() {
                return None;
            }
            let value = value.replace(stream_ids.0, &ssrc.to_string());
            let value =
                if stream_ids.1.is_empty() { value } else { value.replace(stream_ids.1, &rtx_ssrc.to_string()) };
            format!("{name}:{value}")
        }
        _ => line.to_string(),
    })
}

/// A captured offer, taken apart.
struct Template {
    session: Vec<&'static str>,
    sections: Vec<Vec<&'static str>>,
}

impl Template {
    fn of(make: Make) -> Self {
        let text = match make {
            Make::Chromium => include_str!("../../vectors/offers/chromium-join.sdp"),
            Make::Firefox => include_str!("../../vectors/offers/firefox-join.sdp"),
        };
        let mut template = Self { session: Vec::new(), sections: Vec::new() };
        for line in text.lines() {
            if line.starts_with("m=") {
                template.sections.push(Vec::new());
            }
            template.sections.last_mut().unwrap_or(&mut template.session).push(line);
        }
        template
    }

    /// The lines of the captured section with the same kind and direction.
    fn section(&self, section: &Section) -> &[&'static str] {
        let kind = match section.kind {
            MediaKind::Audio => "m=audio",
            MediaKind::Video => "m=video",
        };
        let direction = match section.purpose {
            Purpose::Publish(..) => "a=sendonly",
            Purpose::Receive => "a=recvonly",
        };
        self.sections
            .iter()
            .find(|lines| lines[0].starts_with(kind) && lines.contains(&direction))
            .expect("the captured offer has all four kinds of section")
    }

    fn stream_ids(&self, section: &Section) -> (&'static str, &'static str) {
        let lines = self.section(section);
        let group = lines.iter().find_map(|line| line.strip_prefix("a=ssrc-group:FID "));
        let single = || lines.iter().find_map(|line| line.strip_prefix("a=ssrc:")?.split(' ').next());
        group.and_then(|ids| ids.split_once(' ')).unwrap_or((single().unwrap_or_default(), ""))
    }
}
