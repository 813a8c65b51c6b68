//! Estimates the progress and the remaining time.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::progress;

/// Cargo's units of progress: crates to compile and build scripts to run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Units {
    /// Units done at the first count: they cost nothing.
    fresh: u32,
    done: u32,
    all: u32,
}

/// A task that runs longer than this is estimated from its own pace.
const JUDGED_AFTER_S: f64 = 10.0;

/// From this much work on, in CPU seconds, the machine's own pace counts more than its number of cores.
const ENOUGH_S: f64 = 30.0;

/// The estimated progress of a command that does not report any stops here.
const SILENT_MAX: f64 = 0.9;

/// One task's share of the whole work.
pub(crate) struct Share {
    name: &'static str,
    cost_s: f64,
    state: State,
}

enum State {
    Waiting,
    Running { since: Instant, units: Option<Units> },
    Done,
}

impl Share {
    /// A task that has not started.
    pub(crate) fn waiting(name: &'static str, cost_s: u32) -> Self {
        Self { name, cost_s: f64::from(cost_s), state: State::Waiting }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Notes that its first command has started; idempotent.
    pub(crate) fn begin(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.state = State::Running { since: Instant::now(), units: None };
        }
    }

    pub(crate) fn end(&mut self) {
        self.state = State::Done;
    }

    /// Reads cargo's progress from its drawn output.
    pub(crate) fn read(&mut self, log: &Path) {
        if let State::Running { units, .. } = &mut self.state {
            let Some((done, all)) = parse_units(&progress::read_end(log, 2_048)) else { return };
            let fresh = units.filter(|units| units.all == all).map_or(done, |units| units.fresh);
            *units = Some(Units { fresh, done, all });
        }
    }

    /// From 0 to 1.
    fn fraction(&self) -> f64 {
        match self.state {
            State::Waiting => 0.0,
            State::Running { units: Some(Units { fresh, done, all }), .. } if all > fresh => {
                f64::from(done.saturating_sub(fresh)) / f64::from(all - fresh)
            }
            State::Running { since, .. } => (since.elapsed().as_secs_f64() / self.cost_s.max(1.0)).min(SILENT_MAX),
            State::Done => 1.0,
        }
    }

    /// Its total cost: more than estimated if it has taken longer already.
    fn cost_s(&self) -> f64 {
        match self.state {
            State::Running { since, units: Some(_) } if since.elapsed().as_secs_f64() > JUDGED_AFTER_S => {
                self.cost_s.max(since.elapsed().as_secs_f64() / self.fraction().max(0.1))
            }
            State::Waiting | State::Running { .. } | State::Done => self.cost_s,
        }
    }

    /// `media node 120/231`.
    fn doing(&self) -> Option<String> {
        match self.state {
            State::Running { units: Some(Units { done, all, .. }), .. } => Some(format!("{} {done}/{all}", self.name)),
            State::Running { .. } => Some(self.name.to_owned()),
            State::Waiting | State::Done => None,
        }
    }
}

/// Cargo draws `Building [====>  ] 120/231: syn, quote`.
fn parse_units(drawn: &str) -> Option<(u32, u32)> {
    let (_, after) = drawn.rsplit_once("Building [")?;
    let (done, all) = after.split_once("] ")?.1.split([':', '\r', '\n', ' ']).next()?.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

/// The estimate for all tasks.
pub(crate) struct Forecast {
    started: Instant,
    cores: f64,
}

impl Forecast {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { started: Instant::now(), cores: cores as f64 }
    }

    /// The current and the remaining work, with a time estimate.
    pub(crate) fn line<'a>(&self, shares: impl Iterator<Item = &'a Share> + Clone) -> String {
        let doing: Vec<String> = shares.clone().filter_map(Share::doing).collect();
        let waiting: Vec<&str> =
            shares.clone().filter(|share| matches!(share.state, State::Waiting)).map(Share::name).collect();
        let all: f64 = shares.clone().map(Share::cost_s).sum();
        let done: f64 = shares.map(|share| share.cost_s() * share.fraction()).sum();
        let then = if waiting.is_empty() { String::new() } else { format!("; then {}", waiting.join(", ")) };
        format!("{}{then}; {}", doing.join(", "), in_words(self.remaining(done, all)))
    }

    fn remaining(&self, done_s: f64, all_s: f64) -> Duration {
        let elapsed = self.started.elapsed().as_secs_f64().max(0.1);
        // The initial pace is that of the cores, the later one is measured.
        let weight = (done_s / ENOUGH_S).min(1.0);
        let pace = weight * done_s / elapsed + (1.0 - weight) * self.cores;
        Duration::from_secs_f64((all_s - done_s).max(0.0) / pace.max(0.01))
    }
}

/// Rounded to the precision of the estimate.
pub(crate) fn in_words(remaining: Duration) -> String {
    match remaining.as_secs() {
        0..=45 => "less than a minute left".to_owned(),
        46..=90 => "about a minute left".to_owned(),
        seconds => format!("about {} minutes left", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_how_far_it_is() {
        let drawn = "   Compiling syn v2.0.119\n    Building [===>     ] 9/231: syn, quote\r\x1b[K   Compiling quote\n\
            \x20   Building [====>    ] 12/231: syn, quote \r";
        assert_eq!(parse_units(drawn), Some((12, 231)));
        assert_eq!(parse_units("   Compiling syn v2.0.119\n"), None);
    }

    #[test]
    fn the_line_names_what_is_done_and_what_waits() {
        let mut shares =
            [Share::waiting("npm packages", 30), Share::waiting("media node", 300), Share::waiting("edge", 60)];
        shares[0].end();
        shares[1].begin();
        shares[1].state =
            State::Running { since: Instant::now(), units: Some(Units { fresh: 0, done: 120, all: 240 }) };
        let forecast = Forecast { started: Instant::now() - Duration::from_secs(90), cores: 2.0 };
        // 180 s of work took 90 s; 210 s are left.
        assert_eq!(forecast.line(shares.iter()), "media node 120/240; then edge; about 2 minutes left");
    }

    #[test]
    fn a_task_that_takes_longer_than_it_should_is_judged_by_its_pace() {
        let since = Instant::now() - Duration::from_secs(120);
        let state = State::Running { since, units: Some(Units { fresh: 200, done: 240, all: 280 }) };
        let share = Share { name: "native programs", cost_s: 5.0, state };
        assert!((share.fraction() - 0.5).abs() < 0.01 && (share.cost_s() - 240.0).abs() < 1.0);
    }

    #[test]
    fn the_first_guess_is_what_the_cores_could_do() {
        let forecast = Forecast { started: Instant::now(), cores: 2.0 };
        let left = forecast.remaining(0.0, 720.0);
        assert_eq!(in_words(left), "about 6 minutes left");
        assert_eq!(in_words(Duration::from_secs(20)), "less than a minute left");
    }
}
