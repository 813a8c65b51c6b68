//! `cargo xtask chaos`: programs are killed in random order while people are in a call, and nobody notices for long.

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use soak::dice::Dice;
use soak::survivor::Survivor;
use soak::trial::Trial;
use soak::{guest, recordings};
use stack::Stack;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A dead node is noticed after 1.5 s; an offer, an answer, ICE and a handshake follow.
const GAP_MAX: Duration = Duration::from_secs(3);
/// The crate `webrtc` takes some three seconds longer than a browser to use a relay anew.
const GAP_MAX_RELAYED: Duration = Duration::from_secs(10);
/// On a busy machine everything takes longer; here only a call that stays silent is an error.
const GAP_MAX_SHORT: Duration = Duration::from_secs(30);

const ROOM: &str = "chaos";
const BROWSER_ROOM: &str = "chaos-browsers";
/// Name, publishes, relayed.
const ROBOTS: [(&str, bool, bool); 4] =
    [("speaker", true, false), ("talker", true, false), ("listener", false, false), ("relayed", false, true)];

const DIRECT: &str = "robots";
const RELAYED: &str = "relayed robot";
const BROWSERS: &str = "browsers";

const POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(90);
/// Time between two kills without any gap: long enough for a quiet call, and for a part of the recording.
const QUIET: Duration = Duration::from_secs(6);
/// A recording spans at most 64 assignments.
const ROUNDS_PER_RECORDING: usize = 8;

#[derive(Parser)]
#[command(about = "Programs are killed in random order while people are in a call")]
struct Arguments {
    #[command(flatten)]
    trial: Trial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    /// One that serves a room.
    MediaNode,
    TurnNode,
    Worker,
    Storage,
}

impl Victim {
    const ALL: [Self; 4] = [Self::MediaNode, Self::TurnNode, Self::Worker, Self::Storage];
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaNode => "media node",
            Self::TurnNode => "TURN node",
            Self::Worker => "Worker",
            Self::Storage => "storage",
        })
    }
}

fn main() -> Result<()> {
    let Arguments { trial: arguments } = Arguments::parse();
    arguments.empty_logs();
    let mut chaos = Chaos::start(&arguments)?;
    let started = Instant::now();
    if arguments.short {
        let mut victims = Victim::ALL.to_vec();
        while !victims.is_empty() {
            let victim = victims.swap_remove(chaos.dice.below(victims.len()));
            chaos.round(victim)?;
        }
    } else {
        while started.elapsed() < arguments.length() {
            let victim = Victim::ALL[chaos.dice.below(Victim::ALL.len())];
            chaos.round(victim)?;
        }
    }
    chaos.end()?;
    chaos.print();
    println!("{} kills, {} recordings, seed {}", chaos.rounds, chaos.recorded, arguments.seed);
    for ((victim, whose), gaps) in &chaos.gaps {
        let gap_max = match *whose {
            _ if arguments.short => GAP_MAX_SHORT,
            RELAYED => GAP_MAX_RELAYED,
            _direct => GAP_MAX,
        };
        if let Some(gap) = gaps.iter().max().filter(|gap| **gap > gap_max) {
            bail!("{victim} killed, {whose}: nothing for {} ms, more than {}", gap.as_millis(), gap_max.as_millis());
        }
    }
    Ok(())
}

struct Chaos {
    stack: Stack,
    dice: Dice,
    robots: Vec<Survivor>,
    has_browsers: bool,
    turn_ports: [u16; 2],
    rounds: usize,
    recorded: usize,
    /// The longest gap of each round, as noticed by each robot and by each browser's picture.
    gaps: BTreeMap<(Victim, &'static str), Vec<Duration>>,
}

impl Chaos {
    fn start(arguments: &Trial) -> Result<Self> {
        let mut stack = Stack::start_in(&arguments.logs);
        stack.command(&json!({ "do": "start_node", "name": "media-2" }));
        let turn_ports = free_ports()?;
        let mut chaos = Self {
            stack,
            dice: Dice::new(arguments.seed),
            robots: Vec::new(),
            has_browsers: false,
            turn_ports,
            rounds: 0,
            recorded: 0,
            gaps: BTreeMap::new(),
        };
        (0..turn_ports.len()).for_each(|index| chaos.start_turn_node(index));
        let media = guest::media()?;
        for (name, publishes, is_relayed) in ROBOTS {
            let (url, token) = (chaos.stack.room_url(ROOM), chaos.stack.token(ROOM, name));
            chaos.robots.push(Survivor::start(name, &url, &token, publishes, is_relayed, &media)?);
        }
        chaos.all_hear()?;
        if !arguments.short {
            let joined = chaos.stack.try_command(&json!({ "do": "people_join", "room": BROWSER_ROOM }));
            chaos.has_browsers = joined.is_ok();
            if let Err(reason) = joined {
                println!("without browsers: {reason}");
            }
        }
        chaos.start_recordings();
        Ok(chaos)
    }

    /// A TURN node keeps its address, as a real one does.
    fn start_turn_node(&mut self, index: usize) {
        let listen = format!("127.0.0.1:{}", self.turn_ports[index]);
        let env = json!({ "TURN_LISTEN": listen });
        self.stack.command(&json!({ "do": "start_turn_node", "name": turn_node(index), "env": env }));
    }

    fn start_recordings(&mut self) {
        recordings::start(&mut self.stack, ROOM);
        if self.has_browsers {
            recordings::start(&mut self.stack, BROWSER_ROOM);
        }
    }

    /// Kills a program, starts it again, and waits until everybody is heard again.
    fn round(&mut self, victim: Victim) -> Result<()> {
        self.robots.iter().for_each(Survivor::listen_anew);
        if self.has_browsers {
            self.stack.command(&json!({ "do": "people_watch" }));
        }
        let down = Duration::from_millis(500 + self.dice.below(3_000) as u64);
        self.kill(victim, down)?;
        sleep(QUIET);
        self.all_hear()?;
        self.note_gaps(victim);
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_PER_RECORDING) {
            self.finish_recordings()?;
            self.start_recordings();
        }
        Ok(())
    }

    fn kill(&mut self, victim: Victim, down: Duration) -> Result<()> {
        let (kill, start) = match victim {
            Victim::MediaNode => {
                let name = self.serving_node()?;
                (json!({ "do": "kill_node", "name": name }), json!({ "do": "start_node", "name": name }))
            }
            Victim::TurnNode => {
                let index = self.dice.below(self.turn_ports.len());
                self.stack.command(&json!({ "do": "kill_turn_node", "name": turn_node(index) }));
                sleep(down);
                self.start_turn_node(index);
                return Ok(());
            }
            Victim::Worker => (json!({ "do": "kill_worker" }), json!({ "do": "start_worker" })),
            Victim::Storage => (json!({ "do": "kill_storage" }), json!({ "do": "start_storage" })),
        };
        self.stack.command(&kill);
        sleep(down);
        self.stack.command(&start);
        Ok(())
    }

    /// One of the media nodes that serve a room.
    fn serving_node(&mut self) -> Result<String> {
        let metrics = self.stack.command(&json!({ "do": "metrics" }));
        let serves = |lines: &Value| lines["media_sessions{shard=\"0\"}"].as_u64().is_some_and(|sessions| sessions > 0);
        let nodes = metrics["body"].as_object().context("no metrics")?.iter();
        let mut serving: Vec<String> = nodes.filter(|(_, lines)| serves(lines)).map(|(name, _)| name.clone()).collect();
        if serving.is_empty() {
            bail!("no media node serves a room");
        }
        Ok(serving.swap_remove(self.dice.below(serving.len())))
    }

    /// Waits until every robot hears the others that publish, and every browser sees the others.
    fn all_hear(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let publishers = ROBOTS.iter().filter(|(_, publishes, _)| *publishes).count();
        loop {
            if let Some(lost) = self.robots.iter().position(Survivor::is_over) {
                return self.robots.swap_remove(lost).leave().context("a robot was lost");
            }
            let others = |robot: &Survivor| publishers - usize::from(is_publisher(&robot.name));
            let Some(deaf) = self.robots.iter().find(|robot| !robot.hears(others(robot))) else { break };
            if Instant::now() > deadline {
                bail!("{} no longer hears everybody", deaf.name);
            }
            sleep(POLL);
        }
        if self.has_browsers {
            self.stack.command(&json!({ "do": "people_see" }));
        }
        Ok(())
    }

    fn note_gaps(&mut self, victim: Victim) {
        let mut line = format!("kill {}: {victim}", self.rounds + 1);
        for (whose, is_relayed) in [(DIRECT, false), (RELAYED, true)] {
            let robots = self.robots.iter().filter(|robot| robot.is_relayed == is_relayed);
            let heard: Vec<Duration> = robots.map(Survivor::gap).collect();
            line += &format!(", {whose} heard nothing for {}", words(&heard));
            self.gaps.entry((victim, whose)).or_default().extend(heard);
        }
        if self.has_browsers {
            let gaps = self.stack.command(&json!({ "do": "people_gaps" }));
            let gaps = gaps["body"].as_array().into_iter().flatten().filter_map(Value::as_u64);
            let seen: Vec<Duration> = gaps.map(Duration::from_millis).collect();
            line += &format!(", {BROWSERS} saw nothing for {}", words(&seen));
            self.gaps.entry((victim, BROWSERS)).or_default().extend(seen);
        }
        println!("{line}");
    }

    fn finish_recordings(&mut self) -> Result<()> {
        let rooms = if self.has_browsers { &[ROOM, BROWSER_ROOM][..] } else { &[ROOM] };
        for room in rooms {
            recordings::stop(&mut self.stack, room);
            let deadline = Instant::now() + PATIENCE;
            loop {
                let tally = recordings::sweep(&mut self.stack, room)?;
                self.recorded += tally.ready;
                if tally.under_way == 0 {
                    break;
                }
                if Instant::now() > deadline {
                    bail!("a recording is never ready");
                }
                sleep(POLL);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.finish_recordings()?;
        if self.has_browsers {
            self.stack.command(&json!({ "do": "people_leave" }));
        }
        self.robots.drain(..).try_for_each(Survivor::leave)
    }

    /// The distribution of the gaps.
    fn print(&self) {
        for ((victim, whose), gaps) in &self.gaps {
            let mut gaps = gaps.clone();
            gaps.sort();
            let at = |percent: usize| gaps[(gaps.len() - 1) * percent / 100].as_millis();
            let (count, p50, p90, max) = (gaps.len(), at(50), at(90), at(100));
            println!("{victim} killed, {whose}: {count} gaps, p50 {p50} ms, p90 {p90} ms, longest {max} ms");
        }
    }
}

fn turn_node(index: usize) -> String {
    format!("turn-{}", index + 1)
}

fn is_publisher(name: &str) -> bool {
    ROBOTS.iter().any(|(other, publishes, _)| *other == name && *publishes)
}

/// The longest of these gaps, and the shortest.
fn words(gaps: &[Duration]) -> String {
    let ms = |gap: Option<&Duration>| gap.map_or(0, Duration::as_millis);
    format!("{} to {} ms", ms(gaps.iter().min()), ms(gaps.iter().max()))
}

/// Two ports that were free for UDP and TCP a moment ago.
fn free_ports() -> Result<[u16; 2]> {
    let take = || {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = stream.local_addr()?.port();
        Ok((UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).context("a port that is taken for UDP")?, stream, port))
    };
    let [first, second]: [Result<(UdpSocket, TcpListener, u16)>; 2] = [take(), take()];
    Ok([first?.2, second?.2])
}
