//! `cargo xtask dev` for real: whichever part dies in whatever way, no process stays behind and every port is free
//! again.
//!
//! Needs the results of a `cargo xtask dev` build.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Starting takes a few seconds on a busy machine; this is the limit for one that hangs.
const STARTED_WITHIN: Duration = Duration::from_secs(90);

/// From a signal to the end of everything.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn ctrl_c_ends_everything_in_order() {
    let dev = Dev::start(1);
    dev.signal_owner(libc::SIGINT);
    let (status, said) = dev.assert_all_gone();
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn the_http_api_takes_the_key_that_is_printed() {
    let dev = Dev::start(1);
    let (status, room) = dev.api(&dev.api_key, "POST", "/v1/rooms", r#"{"name":"daily"}"#);
    assert_eq!((status, &room["name"]), (201, &"daily".into()), "{room}");
    // The Worker knows the storage too.
    let recordings = dev.api(&dev.api_key, "GET", "/v1/rooms/daily/recordings", "");
    assert_eq!(recordings, (200, serde_json::json!({ "recordings": [] })));
    let (status, failure) = dev.api("dev:guessed", "GET", "/v1/rooms", "");
    assert_eq!((status, &failure["code"]), (401, &"bad_api_key".into()), "{failure}");
    dev.signal_owner(libc::SIGINT);
    dev.assert_all_gone();
}

#[test]
fn a_killed_worker_ends_the_rest_and_the_run_fails_with_its_log() {
    let dev = Dev::start(1);
    dev.kill(dev.part("worker"));
    let (status, said) = dev.assert_all_gone();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("worker exited"), "{said}");
}

#[test]
fn a_killed_workerd_ends_the_rest_and_the_run_fails_with_its_log() {
    let dev = Dev::start(0);
    dev.kill(dev.descendant("workerd"));
    let (status, said) = dev.assert_all_gone();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("workerd (pid"), "{said}");
}

#[test]
fn a_killed_node_ends_the_rest_and_the_run_fails_with_its_log() {
    let dev = Dev::start(2);
    dev.kill(dev.part("media-2"));
    let (status, said) = dev.assert_all_gone();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("media-2 exited"), "{said}");
}

#[test]
fn a_killed_turn_node_ends_the_rest_and_the_run_fails_with_its_log() {
    let dev = Dev::start(1);
    dev.kill(dev.part("turn-1"));
    let (status, said) = dev.assert_all_gone();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("turn-1 exited"), "{said}");
}

#[test]
fn a_killed_xtask_leaves_nothing_behind() {
    let dev = Dev::start(1);
    dev.kill(dev.owner.id());
    dev.assert_all_gone();
}

#[test]
fn a_second_one_in_the_same_folder_is_refused_in_one_line_and_the_first_goes_on() {
    let dev = Dev::start(0);
    let second = dev_command(&dev.state, dev.port + 1, 0).output().expect("xtask to start");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains(&format!("pid {}", dev.owner.id())), "{said}");
    assert!(answers(dev.port));
    dev.signal_owner(libc::SIGTERM);
    dev.assert_all_gone();
}

#[test]
fn a_taken_port_is_refused_in_one_line_that_names_who_holds_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("its number").port();
    let state = new_state();
    let output = dev_command(&state, port, 0).output().expect("xtask to start");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains(&format!("port {port} is in use")) && said.contains(&format!("pid {}", std::process::id())),
        "{said}"
    );
    fs::remove_dir_all(state).expect("the folder to go");
}

#[test]
fn what_an_earlier_run_left_behind_is_ended_first() {
    let state = new_state();
    let mut left = Command::new("sleep").arg("600").spawn().expect("sleep to start");
    let (start, _) = stat(left.id()).expect("it runs");
    let record = serde_json::json!({ "owner": 1, "parts": [{ "pid": left.id(), "start_ticks": start }] });
    fs::write(state.join("running.json"), record.to_string()).expect("a record");
    let waiter = std::thread::spawn(move || left.wait().expect("its end"));
    let dev = Dev::start_in(state, 0);
    assert!(!waiter.join().expect("the waiting thread").success());
    dev.signal_owner(libc::SIGINT);
    dev.assert_all_gone();
}

#[test]
fn ctrl_c_during_an_installation_ends_what_it_started() {
    let folder = new_state();
    let marker = folder.join("pids");
    // A toolchain that lacks wasm32, and a rustup that never ends, with a child process.
    write_program(&folder, "rustc", "echo /nonexistent");
    write_program(&folder, "rustup", &format!("sleep 600 & echo $$ $! > {}; wait", marker.display()));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH"));
    let mut child = xtask(&["build", "edge"]).env("PATH", path).stdout(Stdio::null()).spawn().expect("xtask to start");
    let pids = || fs::read_to_string(&marker).unwrap_or_default();
    wait_for("the installation", STARTED_WITHIN, || pids().ends_with('\n'));
    let started: Vec<u32> = pids().split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
    send(child.id(), libc::SIGINT);
    let status = child.wait().expect("its end");
    assert_eq!(status.code(), Some(128 + libc::SIGINT));
    assert_eq!(started.len(), 2);
    assert!(started.iter().all(|&pid| stat(pid).is_none()), "{started:?}");
    fs::remove_dir_all(folder).expect("the folder to go");
}

#[test]
fn the_call_works_while_the_rest_is_being_built_and_the_rest_follows() {
    let first = FirstStart::begin();
    first.wait_for_the_table();
    assert!(answers(first.port));
    assert!(first.said().contains("still being built"), "{}", first.said());
    first.let_the_rest_be_built();
    wait_for("TURN and recording", STARTED_WITHIN, || first.said().contains("TURN and recording work now"));
    first.end();
}

#[test]
fn ctrl_c_while_the_rest_is_being_built_ends_everything() {
    let first = FirstStart::begin();
    first.wait_for_the_table();
    first.end();
}

/// A `cargo xtask dev` that has built the parts for a call; its cargo builds the rest on demand.
struct FirstStart {
    folder: PathBuf,
    port: u16,
    owner: Child,
}

impl FirstStart {
    fn begin() -> Self {
        let folder = new_state();
        let programs = folder.join("target/debug");
        fs::create_dir_all(&programs).expect("a folder");
        let built = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("");
        let link = |name: &str| format!("ln -sf {} {}", built.join(name).display(), programs.display());
        let (go, media, later) =
            (folder.join("go"), link("media-node"), [link("turn-node"), link("storage")].join(" && "));
        let script = format!(
            "case \"$*\" in *turn-node*) while [ ! -e {} ]; do sleep 0.1; done; {later};; *) {media};; esac",
            go.display()
        );
        write_program(&folder, "cargo", &script);
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH"));
        let (state, port) = (folder.join("state").display().to_string(), free_port());
        let output = fs::File::create(folder.join("said")).expect("a file");
        let mut command = xtask(&["dev", "--state", &state, "--port", &port.to_string()]);
        command.env("PATH", path).env("CARGO_TARGET_DIR", folder.join("target")).stdout(output);
        Self { folder, port, owner: command.spawn().expect("xtask to start") }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }

    fn wait_for_the_table(&self) {
        wait_for("the table", STARTED_WITHIN, || self.said().contains("Ctrl-C ends everything"));
    }

    fn let_the_rest_be_built(&self) {
        fs::write(self.folder.join("go"), "").expect("a file");
    }

    fn end(mut self) {
        let below = descendants(self.owner.id());
        send(self.owner.id(), libc::SIGINT);
        let status = self.owner.wait().expect("its end");
        assert!(status.success(), "{status}: {}", self.said());
        let alive = || below.iter().filter(|(pid, start)| stat(*pid).is_some_and(|(now, _)| now == *start)).count();
        wait_for("every process to end", ENDED_WITHIN, || alive() == 0);
    }
}

impl Drop for FirstStart {
    fn drop(&mut self) {
        if matches!(self.owner.try_wait(), Ok(None)) {
            send(self.owner.id(), libc::SIGINT);
            let _ = self.owner.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One `cargo xtask dev` that has become healthy.
struct Dev {
    owner: Child,
    output: BufReader<std::process::ChildStdout>,
    state: PathBuf,
    port: u16,
    api_key: String,
    parts: Vec<(String, u32, u16)>,
    /// Process and start time of everything below `owner`.
    below: BTreeSet<(u32, u64)>,
}

impl Dev {
    fn start(nodes: u16) -> Self {
        Self::start_in(new_state(), nodes)
    }

    fn start_in(state: PathBuf, nodes: u16) -> Self {
        let port = free_port();
        let mut command = dev_command(&state, port, nodes);
        let mut owner = command.stdout(Stdio::piped()).spawn().expect("xtask to start");
        let mut output = BufReader::new(owner.stdout.take().expect("a pipe"));
        let ready = read_ready(&mut output);
        let part = |part: &Value| {
            let text = |key: &str| part[key].as_str().expect("a text").to_owned();
            let port = text("url").rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
            (text("name"), part["pid"].as_u64().expect("a number") as u32, port)
        };
        let parts: Vec<_> = ready["parts"].as_array().expect("a list").iter().map(part).collect();
        // Without media nodes there is nothing to relay or record, so the Worker is alone; otherwise storage and a TURN
        // node run too.
        let others = if nodes > 0 { 3 } else { 1 };
        assert_eq!(parts.len(), usize::from(nodes) + others);
        assert!(answers(port));
        let below = descendants(owner.id());
        assert!(below.len() > usize::from(nodes) + others, "workerd runs too: {below:?}");
        let api_key = ready["api_key"].as_str().expect("a text").to_owned();
        Self { owner, output, state, port, api_key, parts, below }
    }

    /// The status and the body of an API answer.
    fn api(&self, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the Worker listens");
        let (length, basic) = (body.len(), STANDARD.encode(key));
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {basic}\r\n\
            Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("it hears");
        let mut answer = Vec::new();
        // workerd resets a connection on which it has left a body unread.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status");
        // The body may be chunked (RFC 9112 §7.1), but it is one object.
        let (from, to) = (answer.find("\r\n\r\n").expect("a head"), answer.rfind('}').expect("an object"));
        let body = &answer[from..=to];
        (status, serde_json::from_str(&body[body.find('{').expect("an object")..]).expect("JSON"))
    }

    fn part(&self, name: &str) -> u32 {
        self.parts.iter().find(|part| part.0 == name).map(|part| part.1).expect("a part of this name")
    }

    fn descendant(&self, name: &str) -> u32 {
        let comm = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        self.below.iter().map(|(pid, _)| *pid).find(|&pid| comm(pid).trim() == name).expect("a process of this name")
    }

    fn kill(&self, pid: u32) {
        send(pid, libc::SIGKILL);
    }

    fn signal_owner(&self, signal: i32) {
        send(self.owner.id(), signal);
    }

    /// Waits for the end, and returns xtask's exit status and output.
    fn assert_all_gone(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("its output"); // Until every holder of the pipe is gone.
        let status = self.owner.wait().expect("its end");
        let below = self.below.clone();
        let alive = || below.iter().filter(|(pid, start)| stat(*pid).is_some_and(|(now, _)| now == *start)).count();
        wait_for("every process to end", ENDED_WITHIN, || alive() == 0);
        for (name, _, port) in &self.parts {
            let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
            wait_for(&format!("the port of {name} to be free"), ENDED_WITHIN, is_free);
        }
        fs::remove_dir_all(&self.state).expect("the folder to go");
        (status, said)
    }
}

impl Drop for Dev {
    /// A failing test leaves nothing behind either.
    fn drop(&mut self) {
        if matches!(self.owner.try_wait(), Ok(None)) {
            self.signal_owner(libc::SIGINT);
            let _ = self.owner.wait();
            let _ = fs::remove_dir_all(&self.state);
        }
    }
}

fn dev_command(state: &Path, port: u16, nodes: u16) -> Command {
    let (state, port, nodes) = (state.display().to_string(), port.to_string(), nodes.to_string());
    xtask(&["dev", "--no-build", "--json", "--state", &state, "--port", &port, "--nodes", &nodes])
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}

/// Reads until the JSON line that reports that everything is healthy.
fn read_ready(output: &mut impl BufRead) -> Value {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).expect("its output"), 0, "it ended before it was ready:\n{said}");
        if line.starts_with('{') {
            return serde_json::from_str(&line).expect("JSON");
        }
        said.push_str(&line);
    }
}

fn new_state() -> PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("rotunda-dev-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

fn write_program(folder: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a program");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("to make it one");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn wait_for(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        sleep(Duration::from_millis(20));
    }
}

fn descendants(root: u32) -> BTreeSet<(u32, u64)> {
    let pids =
        fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<(u32, u64, u32)> =
        pids.filter_map(|pid| stat(pid).map(|(start, parent)| (pid, start, parent))).collect();
    let mut found = BTreeSet::new();
    let mut parents = vec![root];
    while let Some(next) = parents.pop() {
        for &(pid, start, _) in all.iter().filter(|(_, _, parent)| *parent == next) {
            found.insert((pid, start));
            parents.push(pid);
        }
    }
    found
}

/// Start time and parent of a running process; a zombie counts as ended.
fn stat(pid: u32) -> Option<(u64, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    (*fields.first()? != "Z").then_some((fields.get(19)?.parse().ok()?, fields.get(1)?.parse().ok()?))
}

fn send(pid: u32, signal: i32) {
    // SAFETY: passes two integers.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}
