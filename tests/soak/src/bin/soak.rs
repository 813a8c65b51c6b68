//! `cargo xtask soak`: robots come and go in several rooms for a long time; in the end nothing of them is left.

use anyhow::{Context, Result, bail};
use clap::Parser;
use robot::MediaFile;
use serde_json::json;
use soak::dice::Dice;
use soak::guest::{self, End, Ended, Guest, Part};
use soak::recordings::{self, Tally};
use soak::trial::Trial;
use soak::watch::{self, Sample};
use stack::Stack;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Growth of resident memory from the first to the last third, in MB. An allocator keeps what a busy minute needed.
const GROWTH_MB_MAX: [(&str, u64); 3] = [("media-1", 16), ("turn-1", 8), ("workerd", 64)];
/// Files and threads that a program may hold beyond those it had before: one connection is always on its way.
const SLACK: u64 = 2;

const ROOMS: [&str; 4] = ["soak-a", "soak-b", "soak-c", "soak-d"];
/// As many as two cores serve in the quick build.
const CROWD: usize = 10;
const PUBLISHERS_PER_ROOM_MAX: usize = 2;

const STEP: Duration = Duration::from_secs(1);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(15);
/// A relayed robot that vanishes leaves an allocation behind (RFC 8656 §3.2).
const ALLOCATION_LIFETIME: Duration = Duration::from_secs(600);
/// Robots that vanish keep their places for 30 s; a slow machine takes longer for everything.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Parser)]
#[command(about = "Robots come and go in several rooms, and in the end nothing of them is left")]
struct Arguments {
    #[command(flatten)]
    trial: Trial,
}

fn main() -> Result<()> {
    let Arguments { trial: arguments } = Arguments::parse();
    let length = if arguments.short { SHORT } else { arguments.length() };
    arguments.empty_logs();
    let mut soak = Soak::start(&arguments)?;
    soak.warm_up()?;
    let before = soak.at_rest()?;
    println!("before: {}", before.line());
    let samples = soak.churn(length)?;
    soak.everybody_leaves()?;
    let after = soak.settle(&before)?;
    println!("after: {}", after.line());
    let mut complaints = soak.leftovers(&before, &after)?;
    complaints.extend(watch::errors(&arguments.logs)?);
    complaints.extend(growth(&samples, !arguments.short));
    println!("{} joins, {} recordings, seed {}", soak.joins, soak.recorded, arguments.seed);
    if complaints.is_empty() { Ok(()) } else { bail!("not everything is as before:\n  {}", complaints.join("\n  ")) }
}

struct Soak {
    stack: Stack,
    media: Arc<MediaFile>,
    dice: Dice,
    crowd: Vec<Guest>,
    leaving: Vec<Ended>,
    joins: usize,
    recorded: usize,
}

impl Soak {
    fn start(arguments: &Trial) -> Result<Self> {
        let mut stack = Stack::start_in(&arguments.logs);
        stack.command(&json!({ "do": "start_turn_node" }));
        let (media, dice) = (guest::media()?, Dice::new(arguments.seed));
        Ok(Self { stack, media, dice, crowd: Vec::new(), leaving: Vec::new(), joins: 0, recorded: 0 })
    }

    /// Uses everything once, so that what is opened only once is open.
    fn warm_up(&mut self) -> Result<()> {
        for room in ROOMS {
            self.join(room, true, false, true)?;
            self.join(room, false, true, false)?;
        }
        for guest in self.crowd.drain(..) {
            let how = if guest.part.records { End::StopAndLeave } else { End::Leave };
            self.leaving.push(guest.end(how));
        }
        self.everybody_leaves()?;
        self.recordings_are_complete()
    }

    fn join(&mut self, room: &str, publishes: bool, is_relayed: bool, records: bool) -> Result<()> {
        self.joins += 1;
        let part = Part { room: room.into(), name: format!("robot{}", self.joins), publishes, is_relayed, records };
        let (url, token) = (self.stack.room_url(room), self.stack.token(room, &part.name));
        self.crowd.push(Guest::start(part, &url, &token, &self.media)?);
        Ok(())
    }

    /// One join or leave a second.
    fn churn(&mut self, length: Duration) -> Result<Vec<Sample>> {
        let started = Instant::now();
        let (mut sampled, mut reported) = (started, started);
        let mut samples = Vec::new();
        while started.elapsed() < length {
            sleep(STEP);
            self.step(length.saturating_sub(started.elapsed()))?;
            if sampled.elapsed() >= SAMPLE_INTERVAL {
                sampled = Instant::now();
                samples.push(watch::sample(&mut self.stack)?);
            }
            if reported.elapsed() >= REPORT_INTERVAL {
                reported = Instant::now();
                self.sweep()?;
                let minutes = started.elapsed().as_secs() / 60;
                let line = samples.last().map(Sample::line).unwrap_or_default();
                println!("{minutes} min: {} joins, {} recordings; {line}", self.joins, self.recorded);
            }
        }
        Ok(samples)
    }

    fn step(&mut self, left: Duration) -> Result<()> {
        self.check_crowd()?;
        let is_full = self.crowd.len() >= CROWD;
        if is_full || (self.crowd.len() > CROWD / 2 && self.dice.once_in(2)) {
            let guest = self.crowd.swap_remove(self.dice.below(self.crowd.len()));
            let may_vanish = !guest.part.is_relayed || left > ALLOCATION_LIFETIME;
            let how = match self.dice.below(3) {
                0 if may_vanish => End::Vanish,
                1 if guest.part.records => End::StopAndLeave,
                _ => End::Leave,
            };
            self.leaving.push(guest.end(how));
            return Ok(());
        }
        let room = ROOMS[self.dice.below(ROOMS.len())];
        let publishers = self.crowd.iter().filter(|guest| guest.part.room == room && guest.part.publishes).count();
        let publishes = publishers < PUBLISHERS_PER_ROOM_MAX && self.dice.once_in(2);
        let (is_relayed, wants_to_record) = (self.dice.once_in(4), self.dice.once_in(2));
        self.join(room, publishes, is_relayed, publishes && wants_to_record)
    }

    /// A robot that is no longer there, or has failed on its way out, is an error.
    fn check_crowd(&mut self) -> Result<()> {
        if let Some(place) = self.crowd.iter().position(Guest::is_over) {
            return self.crowd.swap_remove(place).end(End::Leave).join().context("a robot was lost");
        }
        for ended in self.leaving.extract_if(.., |ended| ended.is_gone()) {
            ended.join().context("a robot could not leave")?;
        }
        Ok(())
    }

    fn everybody_leaves(&mut self) -> Result<()> {
        self.leaving.extend(self.crowd.drain(..).map(|guest| guest.end(End::Leave)));
        self.leaving.drain(..).try_for_each(Ended::join).context("a robot could not leave")
    }

    fn sweep(&mut self) -> Result<Tally> {
        let mut all = Tally::default();
        for room in ROOMS {
            let Tally { ready, under_way } = recordings::sweep(&mut self.stack, room)?;
            all.ready += ready;
            all.under_way += under_way;
        }
        self.recorded += all.ready;
        Ok(all)
    }

    fn recordings_are_complete(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.sweep()?.under_way > 0 {
            if Instant::now() > deadline {
                bail!("a recording is never ready");
            }
            sleep(STEP);
        }
        Ok(())
    }

    /// The programs' resources without rooms and without connections to the storage.
    fn at_rest(&mut self) -> Result<Sample> {
        self.end_rooms();
        self.stack.command(&json!({ "do": "kill_storage" }));
        sleep(2 * STEP);
        let sample = watch::sample(&mut self.stack)?;
        self.stack.command(&json!({ "do": "start_storage" }));
        Ok(sample)
    }

    /// A room keeps its node for minutes after the last participant.
    fn end_rooms(&mut self) {
        for room in ROOMS {
            // The room may be gone already.
            let _ =
                self.stack.try_command(&json!({ "do": "api", "method": "DELETE", "path": format!("rooms/{room}") }));
        }
    }

    /// Waits until everything is as it was before, or will never be.
    fn settle(&mut self, before: &Sample) -> Result<Sample> {
        let left = Instant::now();
        let deadline = left + PATIENCE;
        while !watch::sample(&mut self.stack)?.pending().is_empty() && Instant::now() < deadline {
            sleep(STEP);
        }
        let at_zero_s = left.elapsed().as_secs();
        self.recordings_are_complete()?;
        let complete_s = left.elapsed().as_secs();
        println!("everybody has left: gauges are zero after {at_zero_s} s, recordings complete after {complete_s} s");
        self.end_rooms();
        self.stack.command(&json!({ "do": "kill_storage" }));
        loop {
            let sample = watch::sample(&mut self.stack)?;
            if holds_more(before, &sample).is_empty() || Instant::now() > deadline {
                return Ok(sample);
            }
            sleep(STEP);
        }
    }

    fn leftovers(&mut self, before: &Sample, after: &Sample) -> Result<Vec<String>> {
        let mut complaints = holds_more(before, after);
        complaints.extend(after.pending().into_iter().map(|gauge| format!("{gauge}, though everybody has left")));
        for command in ["spooled", "unfinished_uploads", "stored"] {
            let answer = self.stack.command(&json!({ "do": command, "prefix": "recordings/" }));
            let left = answer["body"].as_array().context("no list")?;
            if !left.is_empty() {
                complaints.push(format!("{command}: {} files are left, for instance {}", left.len(), left[0]));
            }
        }
        Ok(complaints)
    }
}

fn holds_more(before: &Sample, after: &Sample) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, held) in &after.programs {
        let Some(had) = before.programs.get(name) else { continue };
        for (what, now, then) in [("files", held.files, had.files), ("threads", held.threads, had.threads)] {
            if now > then + SLACK {
                complaints.push(format!("{name} has {now} {what}, and had {then}"));
            }
        }
    }
    complaints
}

/// Prints the growth of each program's memory; returns the bounds that were exceeded.
fn growth(samples: &[Sample], is_checked: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, mb_max) in GROWTH_MB_MAX {
        let (first, last) = watch::thirds(samples, name);
        let grown_mb = (last as f64 - first as f64) / 1024.0;
        println!("{name}: {first} kB in the first third, {last} kB in the last, {grown_mb:+.1} MB of at most {mb_max}");
        if is_checked && grown_mb > mb_max as f64 {
            complaints.push(format!("{name} has grown by {grown_mb:.1} MB, more than {mb_max}"));
        }
    }
    complaints
}
