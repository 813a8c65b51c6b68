//! A cable with a bad link in it: joins a TAP device of this network namespace to one of another, with a rate, a delay
//! and random losses in each direction. It needs no `netem`, which many kernels lack.
//!
//! `link HERE PID THERE SETTINGS` names the devices and a process of the other namespace. SETTINGS is a file with two
//! lines, towards the other namespace and back: kbit/s (0: no limit), milliseconds, percent. It may change at any time.

use anyhow::{Context, Result, bail};
use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Packets that would wait longer are dropped.
const QUEUE: Duration = Duration::from_millis(200);
/// Interval of looks at the settings.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ethernet's largest, and a little more.
const FRAME_BYTES_MAX: usize = 1_600;
/// Offset and value of the type of address resolution, which is never lost.
const TYPE_AT: std::ops::Range<usize> = 12..14;
const ADDRESS_RESOLUTION: [u8; 2] = [0x08, 0x06];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Link {
    kbps: f64,
    delay: Duration,
    /// From 0 to 1.
    loss: f64,
}

type Shared = Arc<Mutex<Link>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [here, pid, there, settings] = &arguments[..] else { bail!("link HERE PID THERE SETTINGS") };
    let here = Arc::new(open(here)?);
    enter(pid)?;
    let there = Arc::new(open(there)?);
    let links = [Shared::default(), Shared::default()];
    let settings = PathBuf::from(settings);
    apply(&settings, &links)?;
    for (from, to, link) in [(&here, &there, &links[0]), (&there, &here, &links[1])] {
        let (sender, receiver) = channel();
        let (from, to, link) = (Arc::clone(from), Arc::clone(to), Arc::clone(link));
        spawn(move || take(&from, &link, &sender));
        spawn(move || give(&to, &receiver));
    }
    println!("ready");
    loop {
        sleep(LOOK_EVERY);
        // While it is being written, it may be incomplete.
        let _ = apply(&settings, &links);
    }
}

/// Opens the TAP device with this name in the current namespace.
fn open(name: &str) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").context("opening /dev/net/tun")?;
    // SAFETY: the structure is plain data, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let last = request.ifr_name.len() - 1;
    for (place, byte) in request.ifr_name.iter_mut().take(last).zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open, and the kernel reads and writes one `ifreq`, which lives as long as the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result < 0 { Err(std::io::Error::last_os_error()).context("making a TAP device") } else { Ok(file) }
}

/// Moves this thread to the network namespace of a process.
fn enter(pid: &str) -> Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).context("opening the other namespace")?;
    // SAFETY: the descriptor is open during the call.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if result < 0 { Err(std::io::Error::last_os_error()).context("entering the other namespace") } else { Ok(()) }
}

fn apply(settings: &Path, links: &[Shared; 2]) -> Result<()> {
    let text = std::fs::read_to_string(settings)?;
    let [first, second] = read(&text)?;
    for (link, read) in links.iter().zip([first, second]) {
        *link.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }
    Ok(())
}

fn read(text: &str) -> Result<[Link; 2]> {
    let link = |line: &str| {
        let numbers: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        let [kbps, milliseconds, percent] = numbers?[..] else { bail!("not three numbers") };
        Ok(Link { kbps, delay: Duration::from_secs_f64(milliseconds / 1_000.0), loss: percent / 100.0 })
    };
    let lines: Result<Vec<_>> = text.lines().map(link).collect();
    let [first, second] = lines?[..] else { bail!("not two lines") };
    Ok([first, second])
}

/// Reads frames, and passes those that the link carries on with the time of their arrival.
fn take(from: &File, link: &Shared, to: &Sender<(Instant, Vec<u8>)>) {
    let mut state = State::new(RandomState::new().build_hasher().finish());
    let mut buffer = [0; FRAME_BYTES_MAX];
    let mut from = from;
    while let Ok(length) = from.read(&mut buffer) {
        let frame = buffer.get(..length).unwrap_or_default();
        let link = *link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.carry(Instant::now(), link, frame)
            && to.send((at, frame.to_vec())).is_err()
        {
            return;
        }
    }
}

/// Writes frames when they arrive.
fn give(to: &File, from: &Receiver<(Instant, Vec<u8>)>) {
    let mut to = to;
    while let Ok((at, frame)) = from.recv() {
        sleep(at.saturating_duration_since(Instant::now()));
        // A device that is down takes nothing.
        let _ = to.write(&frame);
    }
}

/// The wire of one direction.
struct State {
    random: u64,
    /// The wire has sent everything at this time.
    free_at: Option<Instant>,
    /// The arrival of the last frame: none overtakes it.
    last_at: Option<Instant>,
}

impl State {
    const fn new(seed: u64) -> Self {
        Self { random: seed | 1, free_at: None, last_at: None }
    }

    /// The arrival of a frame; `None` if it is lost.
    fn carry(&mut self, now: Instant, link: Link, frame: &[u8]) -> Option<Instant> {
        if frame.get(TYPE_AT) != Some(&ADDRESS_RESOLUTION) && self.chance() < link.loss {
            return None;
        }
        let free_at = self.free_at.map_or(now, |at| at.max(now));
        if link.kbps > 0.0 {
            if free_at - now > QUEUE {
                return None;
            }
            self.free_at = Some(free_at + Duration::from_secs_f64(frame.len() as f64 * 8.0 / (link.kbps * 1_000.0)));
        } else {
            self.free_at = None;
        }
        let at = self.free_at.unwrap_or(now) + link.delay;
        let at = self.last_at.map_or(at, |last| last.max(at));
        self.last_at = Some(at);
        Some(at)
    }

    /// From 0 to 1 (xorshift64).
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_whole_or_not_at_all() {
        let [down, up] = read("600 50 5\n0 0 0\n").expect("complete");
        assert_eq!(down, Link { kbps: 600.0, delay: Duration::from_millis(50), loss: 0.05 });
        assert_eq!(up, Link::default());
        for text in ["", "600 50 5\n", "600 50\n0 0 0\n", "a b c\n0 0 0\n"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_fills_a_queue_that_drops_and_a_delay_is_added() {
        let now = Instant::now();
        let link = Link { kbps: 80.0, delay: Duration::from_millis(30), loss: 0.0 };
        let mut state = State::new(7);
        // Each frame takes 100 ms.
        let arrivals: Vec<_> = (0..5).map(|_| state.carry(now, link, &[0; 1_000]).map(|at| at - now)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(arrivals, [ms(130), ms(230), ms(330), None, None]);
        assert_eq!(
            state.carry(now, Link::default(), &[0; 1_000]).map(|at| at - now),
            ms(330),
            "none overtakes another"
        );
    }

    #[test]
    fn losses_are_as_frequent_as_wanted_and_spare_address_resolution() {
        let mut state = State::new(7);
        let link = Link { loss: 0.1, ..Link::default() };
        let mut resolution = [0; 60];
        resolution[TYPE_AT].copy_from_slice(&ADDRESS_RESOLUTION);
        let mut lost =
            |frame: &[u8]| (0..10_000).filter(|_| state.carry(Instant::now(), link, frame).is_none()).count();
        let count = lost(&[0; 60]);
        assert!((900..1_100).contains(&count), "{count}");
        assert_eq!(lost(&resolution), 0);
    }
}
