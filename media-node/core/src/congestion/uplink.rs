//! The link of a publishing client.

use super::arrivals::Arrivals;
use super::overload::{Change, Overload, Relief, Time};
use super::remb::Remb;
use shared::rtp_parameters::MediaKind;
use std::time::{Duration, Instant};

/// The rate of a link with a queue is what arrived in this time.
const LATELY: Duration = Duration::from_millis(250);
/// Span of the rate in a report.
const REPORTED: Duration = Duration::from_secs(1);
/// Video without a frame for longer is not sent.
const VIDEO_HOLDS: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Uplink {
    /// Arrivals of its packets, until they are reported; `None` if they have no transport-wide numbers.
    pub arrivals: Option<Arrivals>,
    /// Detects packets that suddenly exceed the link's capacity.
    pub overload: Overload,
    limit: Limit,
    video: Option<Video>,
}

/// The video of a sender that is told the estimate: times of the first and last frame without a long gap.
#[derive(Clone, Copy, Debug)]
struct Video {
    since: Instant,
    last: Instant,
}

/// The limit on its rate.
#[derive(Debug)]
enum Limit {
    /// For a sender that estimates the link itself, from arrivals.
    Relief(Option<Relief>),
    /// For one that is told the estimate.
    Remb(Remb),
}

impl Uplink {
    /// With the header extension of transport-wide numbers, if it is negotiated.
    #[must_use]
    pub fn new(now: Instant, extension: Option<u8>) -> Self {
        let limit = if extension.is_some() { Limit::Relief(None) } else { Limit::Remb(Remb::default()) };
        let arrivals = extension.map(|extension| Arrivals::new(now, extension));
        Self { arrivals, overload: Overload::new(now), limit, video: None }
    }

    pub fn limit_bps(&self) -> Option<u64> {
        match &self.limit {
            Limit::Relief(relief) => relief.map(Relief::bps),
            Limit::Remb(remb) => remb.limit_bps(),
        }
    }

    /// Updates the limit after a packet.
    pub fn note(&mut self, now: Instant, change: Change) {
        let has_video = self.has_video(now, LATELY);
        match &mut self.limit {
            Limit::Remb(remb) => match change {
                Change::Overloaded { .. } | Change::Narrower { .. } if !has_video => {}
                Change::Overloaded { arrives_bps } | Change::Narrower { arrives_bps } => remb.overloaded(arrives_bps),
                Change::Ended => remb.drained(),
            },
            Limit::Relief(relief) => {
                *relief = match (change, *relief) {
                    (Change::Overloaded { arrives_bps }, _) | (Change::Narrower { arrives_bps }, None) => {
                        Some(Relief::begin(arrives_bps))
                    }
                    (Change::Narrower { arrives_bps }, Some(relief)) => Some(relief.narrow(arrives_bps)),
                    (Change::Ended, relief) => relief.map(Relief::drained),
                };
            }
        }
    }

    /// Takes a packet's timestamp; true if the limit has fallen.
    pub fn record_time(&mut self, now: Instant, time: Time) -> bool {
        self.overload.record_time(now, time);
        if time.kind == MediaKind::Video {
            let since = self.video.filter(|video| now.saturating_duration_since(video.last) <= VIDEO_HOLDS);
            self.video = Some(Video { since: since.map_or(now, |video| video.since), last: now });
        }
        let has_video = self.has_video(now, LATELY);
        let Limit::Remb(remb) = &mut self.limit else { return false };
        let wait = self.overload.wait(now).filter(|_| !self.overload.is_overloaded());
        let arrived_bps = || self.overload.arrived_bps(LATELY).filter(|_| has_video);
        wait.is_some_and(|wait| remb.wait(now, wait, arrived_bps))
    }

    /// True if video has been arriving for so long. The rate of audio alone reveals nothing about the link's.
    fn has_video(&self, now: Instant, lasting: Duration) -> bool {
        self.video.is_some_and(|Video { since, last }| {
            now.saturating_duration_since(last) <= VIDEO_HOLDS && now.saturating_duration_since(since) >= lasting
        })
    }

    /// Raises the limit after a second; returns true if that lifts it.
    pub fn ease(&mut self) -> bool {
        let Limit::Relief(relief) = &mut self.limit else { return false };
        let Some(before) = relief.filter(|_| !self.overload.is_overloaded()) else { return false };
        *relief = before.grow();
        relief.is_none()
    }

    /// Takes the rate of a sender that is told the estimate, and its losses, of the last second.
    pub fn report(&mut self, now: Instant, arrived_bps: f64, lost: f64) {
        let lost = if self.has_video(now, REPORTED) { lost } else { 0.0 };
        let Limit::Remb(remb) = &mut self.limit else { return };
        if self.overload.is_overloaded() {
            return;
        }
        if self.overload.wait(now).is_none() {
            remb.drained();
        }
        remb.report(arrived_bps, lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    /// A second of audio, and of video at 15 frames per second if there is any, that wait this long.
    fn second_of(uplink: &mut Uplink, second: u64, has_video: bool, wait_ms: u64) {
        for ms in 1_000 * second..1_000 * (second + 1) {
            let at = start() + Duration::from_millis(ms + wait_ms);
            let time = |kind, ssrc, rate: u64| Time {
                kind,
                ssrc,
                timestamp: (ms * rate) as u32,
                clock_rate: 1_000 * rate as u32,
            };
            let sound = ms.is_multiple_of(20).then(|| (time(MediaKind::Audio, 1, 48), 150));
            let picture = (has_video && ms.is_multiple_of(66)).then(|| (time(MediaKind::Video, 2, 90), 12_000));
            for (time, bytes) in sound.into_iter().chain(picture) {
                uplink.overload.record_unnumbered(at, 1, bytes);
                uplink.record_time(at, time);
            }
        }
    }

    #[test]
    fn audio_alone_limits_nothing_since_its_rate_says_nothing_about_the_link() {
        let mut uplink = Uplink::new(start(), None);
        let at = |second| start() + Duration::from_secs(second);
        (0..5).for_each(|second| second_of(&mut uplink, second, second < 2, 0));
        (5..8).for_each(|second| second_of(&mut uplink, second, false, 60 + 30 * (second % 2)));
        uplink.report(at(8), 60_000.0, 0.3);
        uplink.note(at(8), Change::Overloaded { arrives_bps: 60_000 });
        assert_eq!(uplink.limit_bps(), None);
        uplink.note(at(8), Change::Ended);
        (8..10).for_each(|second| second_of(&mut uplink, second, true, 0));
        uplink.report(at(10), 1_500_000.0, 0.3);
        assert_eq!(uplink.limit_bps(), Some(1_275_000), "with video it does");
    }

    #[test]
    fn a_limit_stays_while_the_link_is_overloaded_and_then_grows_until_it_is_gone() {
        let mut uplink = Uplink::new(start(), Some(3));
        let mut number = 0;
        let mut send = |uplink: &mut Uplink, count: u64, step: u16| {
            for _ in 0..count {
                number += u64::from(step);
                let at = start() + Duration::from_millis(number * 4);
                if let Some(change) = uplink.overload.record(at, number as u16, 1_000) {
                    uplink.note(at, change);
                }
            }
        };
        send(&mut uplink, 500, 1);
        assert_eq!((uplink.limit_bps(), uplink.ease()), (None, false));
        send(&mut uplink, 40, 3);
        let limit = uplink.limit_bps().expect("two of three are lost");
        assert!(!uplink.ease());
        assert_eq!(uplink.limit_bps(), Some(limit), "it does not grow yet");
        send(&mut uplink, 40, 1);
        let eased = uplink.limit_bps().expect("the queue is empty");
        assert!(eased > limit);
        assert!(!uplink.ease());
        assert_eq!(uplink.limit_bps(), Some(eased * 110 / 100));
        let seconds = (2..20).find(|_| uplink.ease());
        assert_eq!((seconds, uplink.limit_bps()), (Some(6), None));
    }
}
