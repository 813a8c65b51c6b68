//! The report: one finding per hop.

use serde_json::{Value, json};
use std::time::Duration;

/// The page with more help.
const PAGE: &str = "docs/troubleshooting.md";

/// One hop of a call; `docs/troubleshooting.md` lists them in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The host name, TLS, and the Worker.
    Address,
    Token,
    Signaling,
    /// A media node for the room.
    Placement,
    /// Signaling for networks that block WebSockets.
    Events,
    /// The node's addresses in the answer.
    Candidates,
    /// ICE to the node.
    Udp,
    /// A check over TCP to the node.
    IceTcp,
    /// DTLS, and the node's report about it to the room.
    Media,
    /// The path through each TURN server.
    Turn,
}

impl Hop {
    /// All hops in the order of a call.
    pub(crate) const ALL: [Self; 10] = [
        Self::Address,
        Self::Token,
        Self::Signaling,
        Self::Placement,
        Self::Events,
        Self::Candidates,
        Self::Udp,
        Self::IceTcp,
        Self::Media,
        Self::Turn,
    ];

    /// The name in the report and on the page.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Token => "token",
            Self::Signaling => "signaling",
            Self::Placement => "placement",
            Self::Events => "events",
            Self::Candidates => "candidates",
            Self::Udp => "udp",
            Self::IceTcp => "ice-tcp",
            Self::Media => "media",
            Self::Turn => "turn",
        }
    }

    /// The page's heading for this hop.
    const fn heading(self) -> &'static str {
        match self {
            Self::Address | Self::Token | Self::Signaling | Self::Placement | Self::Events => "it-does-not-connect",
            Self::Candidates | Self::Udp | Self::IceTcp | Self::Media | Self::Turn => "ice-connection-failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Well {
        took: Duration,
        note: String,
    },
    Failed {
        /// The failure, and what to check.
        problem: String,
    },
}

/// The findings; missing hops depend on one that failed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<(Hop, Finding)>,
    prints: bool,
}

impl Report {
    /// If `prints`, findings are printed as they are added.
    pub(crate) fn new(prints: bool) -> Self {
        Self { findings: Vec::new(), prints }
    }

    pub(crate) fn add(&mut self, hop: Hop, finding: Finding) {
        if self.prints {
            println!("{}", line(hop, Some(&finding)));
        }
        self.findings.push((hop, finding));
    }

    /// Adds the skipped hops.
    pub(crate) fn finish(self) -> Self {
        for hop in Hop::ALL.into_iter().filter(|hop| self.prints && self.finding(*hop).is_none()) {
            println!("{}", line(hop, None));
        }
        self
    }

    /// True if every hop succeeded.
    pub(crate) fn is_healthy(&self) -> bool {
        Hop::ALL.into_iter().all(|hop| matches!(self.finding(hop), Some(Finding::Well { .. })))
    }

    /// The whole report as JSON.
    pub(crate) fn to_json(&self, url: &str) -> Value {
        let failed = self.findings.iter().find(|(_, finding)| matches!(finding, Finding::Failed { .. }));
        let hops = Hop::ALL.map(|hop| match self.finding(hop) {
            Some(Finding::Well { took, note }) => {
                json!({ "hop": hop.name(), "state": "ok", "took_ms": took.as_millis() as u64, "note": note })
            }
            Some(Finding::Failed { problem }) => {
                json!({ "hop": hop.name(), "state": "failed", "problem": problem, "see": see(hop) })
            }
            None => json!({ "hop": hop.name(), "state": "skipped" }),
        });
        json!({ "url": url, "ok": self.is_healthy(), "failed": failed.map(|(hop, _)| hop.name()), "hops": hops })
    }

    fn finding(&self, hop: Hop) -> Option<&Finding> {
        self.findings.iter().find(|(of, _)| *of == hop).map(|(_, finding)| finding)
    }
}

fn line(hop: Hop, finding: Option<&Finding>) -> String {
    let name = hop.name();
    match finding {
        Some(Finding::Well { took, note }) => format!("ok      {name:<10} {:>5} ms  {note}", took.as_millis()),
        Some(Finding::Failed { problem }) => format!("FAILED  {name:<10} {problem}\n        see {}", see(hop)),
        None => format!("skipped {name}"),
    }
}

fn see(hop: Hop) -> String {
    format!("{PAGE}#{}", hop.heading())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_same_hops_in_the_same_order() {
        let page = include_str!("../../../docs/troubleshooting.md");
        let mut from = 0;
        for (number, hop) in (1..).zip(Hop::ALL) {
            let entry = format!("{number}. **{}**", hop.name());
            from += page[from..].find(&entry).unwrap_or_else(|| panic!("{entry} is not on the page, or too early"));
            let anchors = page.lines().filter_map(|line| line.strip_prefix("## "));
            let mut anchors = anchors.map(|heading| heading.to_lowercase().replace(' ', "-"));
            assert!(anchors.any(|anchor| anchor == hop.heading()), "{}", hop.heading());
        }
    }

    // Holds S3-TEST-01.
    #[test]
    fn the_page_has_every_topic_with_its_causes() {
        let page = include_str!("../../../docs/troubleshooting.md");
        let topics: [(&str, &[&str]); 4] = [
            ("ICE connection failed", &["TURN_URLS", "firewall", "STUN/TURN test"]),
            ("High packet loss", &["bitrate", "simulcast", "bandwidth"]),
            ("Audio echo", &["echo cancellation", "headphones", "settings"]),
            ("Video freezing", &["jitter", "latency", "ABR", "CPU"]),
        ];
        for (topic, causes) in topics {
            let section = page.split("\n## ").find_map(|section| section.strip_prefix(topic)).expect(topic);
            let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).collect();
            for cause in causes {
                assert!(rows.iter().any(|row| row.contains(cause)), "{topic}: {cause}");
            }
        }
    }

    #[test]
    fn what_was_not_looked_at_is_not_well() {
        let mut report = Report::new(false);
        for hop in Hop::ALL.into_iter().take(9) {
            report.add(hop, Finding::Well { took: Duration::ZERO, note: String::new() });
        }
        assert!(!report.is_healthy());
        report.add(Hop::Turn, Finding::Failed { problem: "gone".into() });
        assert!(!report.is_healthy());
        let json = report.to_json("http://localhost");
        assert_eq!((&json["failed"], &json["ok"]), (&json!("turn"), &json!(false)));
    }
}
