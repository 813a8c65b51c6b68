//! `cargo xtask load`: light robots join the real programs, step by step, until these no longer serve them well; what
//! a node does then is tried at the end.

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::client;
use load::crowd::{Crowd, PACKETS_PER_S, POLL_INTERVAL, Role, SHAPE, Seen};
use load::parameters::ClientNumber;
use load::process::cpu_ns;
use media_core::session::dtls::Identity;
use robot::Refused;
use serde_json::json;
use shared::ErrorCode;
use soak::dice::Dice;
use soak::trial::Trial;
use soak::visit;
use soak::watch;
use stack::Stack;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// A step beyond one of these is beyond the knee.
const JOIN_P95_MAX: Duration = Duration::from_secs(1);
const DELAY_P95_MAX: Duration = Duration::from_millis(50);
const MISSING_MAX: f64 = 0.01;
/// Viewers receive at least this share of what is sent to their rooms: those that replace others join meanwhile.
const RECEIVED_MIN: f64 = 0.8;

/// Robots that join at the same time.
const JOINING: usize = 16;
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Robots that join beyond the limit of a node, as a share of those inside; and at least this many.
const BEYOND_ONE_IN: usize = 4;
const BEYOND_MIN: usize = 3;
/// Time for the first key frames before a measurement.
const WARM: Duration = Duration::from_secs(2);
const HOLD: Duration = Duration::from_secs(10);
const HOLD_SHORT: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(about = "Light robots join until the programs no longer serve them well")]
struct Arguments {
    #[command(flatten)]
    trial: Trial,
    /// Rooms of the first step; each further step doubles them
    #[arg(long)]
    rooms: usize,
    /// Publishers per room; everyone else in the room sees all of them
    #[arg(long)]
    publishers: usize,
    /// Viewers per room
    #[arg(long)]
    viewers: usize,
    /// Percentage of the viewers replaced in a minute
    #[arg(long)]
    churn_percent: usize,
    /// Percentage of the packets that viewers lose and ask for again
    #[arg(long)]
    loss_percent: u16,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.trial.short {
        (arguments.rooms, arguments.publishers, arguments.viewers) = (2, 1, 4);
        (arguments.churn_percent, arguments.loss_percent) = (600, 2);
    }
    arguments.trial.empty_logs();
    let mut load = Load::start(arguments)?;
    let outcome = load.climb().and_then(|limit| load.beyond(limit));
    // Its error is the first cause.
    load.crowd.stop().and(outcome)
}

struct Load {
    arguments: Arguments,
    stack: Stack,
    runtime: Runtime,
    crowd: Crowd,
    identity: Identity,
    dice: Dice,
    /// Those inside.
    robots: Vec<Robot>,
    joins: u32,
}

struct Robot {
    number: ClientNumber,
    role: Role,
    room: String,
    over: oneshot::Sender<()>,
    stay: JoinHandle<Result<()>>,
}

/// The outcome of many joins.
#[derive(Default)]
struct Joins {
    took: Vec<Duration>,
    length: Duration,
    refused: BTreeMap<ErrorCode, usize>,
    /// Joins that failed in another way, for instance because they took too long.
    failed: Vec<String>,
}

/// CPU time and memory, by program.
type Usage = BTreeMap<&'static str, (u64, u64)>;

impl Load {
    fn start(arguments: Arguments) -> Result<Self> {
        let identity = client::identity()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        Ok(Self {
            stack: Stack::start_in(&arguments.trial.logs),
            runtime,
            crowd: Crowd::start(identity.clone(), arguments.loss_percent * 10)?,
            identity,
            dice: Dice::new(arguments.trial.seed),
            arguments,
            robots: Vec::new(),
            joins: 0,
        })
    }

    /// Returns the number of sessions at the knee, or the highest number reached.
    fn climb(&mut self) -> Result<usize> {
        let started = Instant::now();
        let rate_mbps =
            f64::from(PACKETS_PER_S) * SHAPE.frame(0).iter().sum::<usize>() as f64 / SHAPE.frame(0).len() as f64 * 8e-6;
        println!(
            "{} publishers of {rate_mbps:.2} Mbit/s and {} viewers in each room, {} % of the viewers replaced in a minute, \
             {} % of the packets lost; delays are up to {} ms too long",
            self.arguments.publishers,
            self.arguments.viewers,
            self.arguments.churn_percent,
            self.arguments.loss_percent,
            POLL_INTERVAL.as_millis(),
        );
        self.warm_up()?;
        let mut rooms = 0;
        loop {
            let before = self.robots.len();
            let more = if rooms == 0 { self.arguments.rooms } else { rooms };
            let newcomers = self.newcomers("load", rooms..rooms + more);
            rooms += more;
            let joins = self.join(newcomers);
            let shortcomings = self.step(rooms, &joins)?;
            if self.arguments.trial.short {
                let Some(failure) = joins.failed.first() else { return Ok(self.robots.len()) };
                bail!("a robot could not join: {failure}");
            }
            if !shortcomings.is_empty() {
                println!(
                    "the knee: {before} sessions are served well, {} are not: {}",
                    self.robots.len(),
                    shortcomings.join(", ")
                );
                return Ok(before.max(self.arguments.publishers + self.arguments.viewers));
            }
            if started.elapsed() > self.arguments.trial.length() {
                println!("no knee up to {} sessions", self.robots.len());
                return Ok(self.robots.len());
            }
        }
    }

    /// The first joins wait for workerd to compile the Worker, as no later ones do.
    fn warm_up(&mut self) -> Result<()> {
        let newcomers = self.newcomers("warm", 0..1);
        let joins = self.join(newcomers);
        if let Some(failure) = joins.failed.first() {
            bail!("a robot could not join: {failure}");
        }
        while let Some(robot) = self.robots.pop() {
            self.leave(robot)?;
        }
        Ok(())
    }

    /// Publishers before viewers, room by room.
    fn newcomers(&self, name: &str, rooms: std::ops::Range<usize>) -> Vec<(String, Role)> {
        let Arguments { publishers, viewers, .. } = self.arguments;
        let roles = std::iter::repeat_n(Role::Publisher, publishers).chain(std::iter::repeat_n(Role::Viewer, viewers));
        rooms.flat_map(|room| roles.clone().map(move |role| (format!("{name}-{room}"), role))).collect()
    }

    fn join(&mut self, newcomers: Vec<(String, Role)>) -> Joins {
        let (mut joining, gate) = (JoinSet::new(), Arc::new(Semaphore::new(JOINING)));
        let begun = Instant::now();
        for (room, role) in newcomers {
            self.joins += 1;
            let number = ClientNumber(self.joins);
            let (url, token) = (self.stack.room_url(&room), self.stack.token(&room, &format!("r{}", number.0)));
            let (gate, identity, slots) = (Arc::clone(&gate), self.identity.clone(), self.arguments.publishers);
            let (tell, told) = oneshot::channel();
            let enter = self.crowd.door();
            joining.spawn_on(
                async move {
                    let _place = gate.acquire().await;
                    let begun = Instant::now();
                    let attempt = async {
                        let (mut visit, client) = visit::join((&url, &token), number, role, slots, &identity).await?;
                        enter.enter(number, role, client, move || {
                            // The join may have been given up.
                            let _ = tell.send(Instant::now());
                        });
                        let connected = visit.until(told).await?.context("the clients' thread has ended")?;
                        anyhow::Ok((visit, connected.saturating_duration_since(begun)))
                    };
                    let outcome = timeout(JOIN_TIMEOUT, attempt).await.context("joining takes too long");
                    (number, role, room, outcome.and_then(|joined| joined))
                },
                self.runtime.handle(),
            );
        }
        let mut joins = Joins::default();
        let outcomes = self.runtime.block_on(joining.join_all());
        joins.length = begun.elapsed();
        for (number, role, room, outcome) in outcomes {
            match outcome {
                Ok((visit, took)) => {
                    joins.took.push(took);
                    let (over, ended) = oneshot::channel();
                    let stay = self.runtime.spawn(visit.stay(ended));
                    self.robots.push(Robot { number, role, room, over, stay });
                }
                Err(error) => {
                    self.crowd.leave(number);
                    match error.downcast_ref::<Refused>() {
                        Some(Refused { code }) => *joins.refused.entry(*code).or_default() += 1,
                        None => joins.failed.push(format!("{error:#}")),
                    }
                }
            }
        }
        joins
    }

    /// Replaces viewers for a while; measures meanwhile, prints a line, and returns what is not good.
    fn step(&mut self, rooms: usize, joins: &Joins) -> Result<Vec<String>> {
        self.run(WARM);
        let (before, begun) = (self.usage()?, Instant::now());
        self.crowd.measure();
        let hold = if self.arguments.trial.short { HOLD_SHORT } else { HOLD };
        let viewers = self.viewers();
        let (mut replaced, mut churned) = (0, Vec::new());
        while begun.elapsed() < hold {
            self.run(Duration::from_millis(500));
            let due = viewers * self.arguments.churn_percent * begun.elapsed().as_millis() as usize / 6_000_000;
            if due > replaced {
                let room_names = self.lose_viewers(due - replaced)?;
                replaced = due;
                churned.push(self.join(room_names.into_iter().map(|room| (room, Role::Viewer)).collect()));
            }
        }
        let (seen, length) = (self.crowd.seen(), begun.elapsed());
        let after = self.usage()?;
        self.nobody_is_lost()?;
        let all: Vec<&Joins> = std::iter::once(joins).chain(&churned).collect();
        println!("{}", self.line(rooms, joins, &seen, length, &before, &after));
        Ok(shortcomings(&all, &seen, (viewers, self.arguments.viewers)))
    }

    fn viewers(&self) -> usize {
        self.robots.iter().filter(|robot| robot.role == Role::Viewer).count()
    }

    /// Lets robots keep their sockets alive.
    fn run(&self, length: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(length).await });
    }

    /// Returns their rooms.
    fn lose_viewers(&mut self, count: usize) -> Result<Vec<String>> {
        let mut rooms = Vec::new();
        for _ in 0..count {
            let viewers: Vec<usize> =
                (0..self.robots.len()).filter(|place| self.robots[*place].role == Role::Viewer).collect();
            let Some(place) = viewers.get(self.dice.below(viewers.len().max(1))) else { break };
            let robot = self.robots.swap_remove(*place);
            rooms.push(robot.room.clone());
            self.leave(robot)?;
        }
        Ok(rooms)
    }

    fn leave(&self, robot: Robot) -> Result<()> {
        // One that has ended by itself says why.
        let _ = robot.over.send(());
        self.crowd.leave(robot.number);
        let left = self
            .runtime
            .block_on(async { timeout(JOIN_TIMEOUT, robot.stay).await })
            .context("leaving takes too long")?;
        left.context("a robot panicked")?.with_context(|| format!("a robot was lost in {}", robot.room))
    }

    /// A robot that has left the room by itself is an error.
    fn nobody_is_lost(&mut self) -> Result<()> {
        match self.robots.iter().position(|robot| robot.stay.is_finished()) {
            Some(place) => {
                let robot = self.robots.swap_remove(place);
                self.leave(robot)
            }
            None => Ok(()),
        }
    }

    fn usage(&mut self) -> Result<Usage> {
        let mut usage = Usage::new();
        let own = std::process::id();
        for (name, pid) in watch::processes(&mut self.stack)? {
            let name = match name.as_str() {
                "workerd" => "workerd",
                name if name.starts_with("media-") => "node",
                _ => continue,
            };
            usage.insert(name, (cpu_ns(pid)?, load::process::memory_kb(pid)?));
        }
        usage.insert("robots", (cpu_ns(own)?, load::process::memory_kb(own)?));
        Ok(usage)
    }

    fn line(
        &self,
        rooms: usize,
        joins: &Joins,
        seen: &Seen,
        length: Duration,
        before: &Usage,
        after: &Usage,
    ) -> String {
        let sessions = self.robots.len() as f64;
        let mbps = seen.bytes as f64 * 8e-6 / length.as_secs_f64();
        let per_s = joins.took.len() as f64 / joins.length.as_secs_f64();
        let (mut took, mut delays) = (joins.took.clone(), seen.delays.clone());
        let missing = 100.0 * seen.missing as f64 / (seen.packets + seen.missing).max(1) as f64;
        let mut line = format!(
            "{rooms} rooms, {sessions} sessions: {} joins, {per_s:.1}/s, p50 {:.0} ms, p95 {:.0} ms; forwarding p50 {:.1} ms, \
             p95 {:.1} ms, {mbps:.1} Mbit/s, {missing:.2} % missing, {} lost and {} repaired",
            joins.took.len(),
            1e3 * percentile(&mut took, 50).as_secs_f64(),
            1e3 * percentile(&mut took, 95).as_secs_f64(),
            1e3 * percentile(&mut delays, 50).as_secs_f64(),
            1e3 * percentile(&mut delays, 95).as_secs_f64(),
            seen.dropped,
            seen.repaired,
        );
        for (name, (cpu, memory_kb)) in after {
            let Some((earlier, _)) = before.get(name) else { continue };
            let cpu_percent = 100.0 * (cpu - earlier) as f64 / length.as_nanos() as f64;
            line += &format!(
                "\n  {name}: {cpu_percent:.0} % of a core ({:.3} per session, {:.3} per Mbit/s), {:.0} MB ({:.2} per session)",
                cpu_percent / sessions,
                cpu_percent / mbps.max(0.001),
                *memory_kb as f64 / 1024.0,
                *memory_kb as f64 / 1024.0 / sessions,
            );
        }
        line
    }

    /// A node with room for `limit` sessions refuses all others with a clear code, and serves those inside as before.
    fn beyond(&mut self, limit: usize) -> Result<()> {
        while let Some(robot) = self.robots.pop() {
            self.leave(robot)?;
        }
        self.stack.command(&json!({ "do": "kill_node", "name": "media-1" }));
        let env = json!({ "MEDIA_SESSIONS_MAX": limit.to_string() });
        self.stack.command(&json!({ "do": "start_node", "name": "media-2", "env": env }));
        let room = self.arguments.publishers + self.arguments.viewers;
        let mut inside = self.newcomers("full", 0..limit.div_ceil(room));
        inside.truncate(limit);
        let joins = self.join(inside);
        if joins.took.len() != limit {
            bail!("{} of {limit} joined a node for {limit}: {:?} {:?}", joins.took.len(), joins.refused, joins.failed);
        }
        let count = (limit / BEYOND_ONE_IN).max(BEYOND_MIN);
        // In a room that the node serves, and in new ones.
        let outsiders = (0..count).map(|number| match number % 2 {
            0 => ("full-0".to_owned(), Role::Viewer),
            _odd => (format!("beyond-{number}"), Role::Viewer),
        });
        let refused = self.join(outsiders.collect());
        self.run(WARM);
        self.crowd.measure();
        self.run(HOLD_SHORT);
        let seen = self.crowd.seen();
        self.nobody_is_lost()?;
        println!(
            "a node for {limit} sessions: {count} more get {:?}; {} of those inside see {} packets, {} are missing",
            refused.refused, seen.served, seen.packets, seen.missing
        );
        if refused.refused != BTreeMap::from([(ErrorCode::NoMediaNode, count)]) || !refused.failed.is_empty() {
            bail!("{count} more than a node can serve were not all refused with no_media_node: {:?}", refused.failed);
        }
        let viewers = self.viewers();
        if seen.served != viewers {
            bail!("{} of {viewers} viewers inside still receive", seen.served);
        }
        if is_missing(&seen) {
            bail!("of what those inside should see, {} packets are missing", seen.missing);
        }
        while let Some(robot) = self.robots.pop() {
            self.leave(robot)?;
        }
        Ok(())
    }
}

/// With the viewers inside at the beginning, and those of each room.
fn shortcomings(joins: &[&Joins], seen: &Seen, (viewers, viewers_per_room): (usize, usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut took: Vec<Duration> = joins.iter().flat_map(|joins| joins.took.iter().copied()).collect();
    let failed: Vec<&String> = joins.iter().flat_map(|joins| &joins.failed).collect();
    let refused: usize = joins.iter().flat_map(|joins| joins.refused.values()).sum();
    if let Some(first) = failed.first() {
        found.push(format!("{} joins failed, for instance: {first}", failed.len()));
    }
    if refused > 0 {
        found.push(format!("{refused} joins were refused"));
    }
    if percentile(&mut took, 95) > JOIN_P95_MAX {
        found.push("joins take too long".to_owned());
    }
    if percentile(&mut seen.delays.clone(), 95) > DELAY_P95_MAX {
        found.push("packets take too long".to_owned());
    }
    if is_missing(seen) {
        found.push("packets are missing".to_owned());
    }
    if seen.served < viewers {
        found.push(format!("{} of {viewers} viewers receive", seen.served));
    }
    if ((seen.packets - seen.repaired) as f64) < RECEIVED_MIN * (seen.sent * viewers_per_room as u64) as f64 {
        found.push("viewers receive too little of what is sent".to_owned());
    }
    found
}

fn is_missing(seen: &Seen) -> bool {
    seen.missing as f64 > MISSING_MAX * (seen.packets + seen.missing) as f64
}

fn percentile(of: &mut [Duration], percent: usize) -> Duration {
    of.sort_unstable();
    of.get(of.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Holds S0-TEST-04, S1-TEST-01.
    #[test]
    fn a_step_that_misses_a_goal_is_beyond_the_knee() {
        let check = |join: Duration, delay: Duration, missing: u64, refused: usize, expected: usize| {
            let refused = BTreeMap::from([(ErrorCode::NoMediaNode, refused)]);
            let joins = Joins { took: vec![join; 40], refused, ..Joins::default() };
            let seen =
                Seen { packets: 1_000, sent: 250, served: 8, missing, delays: vec![delay; 40], ..Seen::default() };
            assert_eq!(shortcomings(&[&joins], &seen, (8, 4)).len(), expected, "{join:?} {delay:?} {missing}");
        };
        check(JOIN_P95_MAX, DELAY_P95_MAX, 10, 0, 0);
        check(2 * JOIN_P95_MAX, DELAY_P95_MAX, 10, 0, 1);
        check(JOIN_P95_MAX, 2 * DELAY_P95_MAX, 10, 0, 1);
        check(JOIN_P95_MAX, DELAY_P95_MAX, 11, 0, 1);
        check(JOIN_P95_MAX, DELAY_P95_MAX, 10, 1, 1);
        check(2 * JOIN_P95_MAX, 2 * DELAY_P95_MAX, 99, 3, 4);
    }

    #[test]
    fn a_step_in_which_viewers_receive_less_than_is_sent_is_beyond_the_knee() {
        let found = |packets, repaired, served| {
            let seen = Seen { packets, repaired, sent: 250, served, ..Seen::default() };
            shortcomings(&[], &seen, (8, 4)).len()
        };
        assert_eq!(found(1_000, 0, 8), 0);
        assert_eq!(found(900, 90, 9), 0, "one has taken the place of another");
        assert_eq!(found(1_000, 0, 7), 1);
        assert_eq!(found(900, 200, 8), 1);
        assert_eq!(found(0, 0, 0), 2);
    }
}
