//! Packages from the system's package manager: a C compiler, browsers, Python, GStreamer, coturn, Janus, ffmpeg,
//! faketime, PulseAudio, jq, shellcheck.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{find_program, system_path};
use crate::progress;
use crate::workspace::Workspace;

/// The Python that can import the system's bindings.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";
const GSTREAMER: &[&str] = &[
    "gir1.2-gst-plugins-bad-1.0",
    "gstreamer1.0-nice",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-good",
    "openssl",
    "python3-gi",
    "python3-venv",
];

/// A C compiler, which aws-lc needs.
pub(crate) fn ensure_compiler(workspace: &Workspace) -> Result<()> {
    install(workspace, if any_program(&["cc"]) { &[] } else { &["build-essential"] })
}

/// Chromium and Firefox, under any name that a system gives them.
pub(crate) fn ensure_browsers(workspace: &Workspace) -> Result<()> {
    let mut missing = Vec::new();
    if !any_program(&["chromium", "chromium-browser", "google-chrome"]) {
        missing.push("chromium");
    }
    if !any_program(&["firefox-esr", "firefox"]) {
        missing.push("firefox-esr");
    }
    install(workspace, &missing)
}

/// A sound server with its client, which tells whether a browser has a microphone open.
pub(crate) fn ensure_sound(workspace: &Workspace) -> Result<()> {
    install(workspace, &missing(&[("pulseaudio", "pulseaudio"), ("pactl", "pulseaudio-utils")]))
}

/// `ip` and `bridge` for networks that browsers switch between, and tools for certificates that Firefox trusts.
pub(crate) fn ensure_networks(workspace: &Workspace) -> Result<()> {
    install(workspace, &missing(&[("bridge", "iproute2"), ("openssl", "openssl"), ("certutil", "libnss3-tools")]))
}

/// coturn with its client, and what a virtual cable needs.
pub(crate) fn ensure_relaying(workspace: &Workspace) -> Result<()> {
    let wanted =
        [("turnserver", "coturn"), ("turnutils_uclient", "coturn"), ("ip", "iproute2"), ("ethtool", "ethtool")];
    install(workspace, &missing(&wanted))
}

/// Janus and its plugins; returns the program.
pub(crate) fn ensure_janus(workspace: &Workspace) -> Result<PathBuf> {
    install(workspace, if any_program(&["janus"]) { &[] } else { &["janus"] })?;
    find_program(&system_path(), "janus").context("Janus is not on the path")
}

pub(crate) fn ensure_ffmpeg(workspace: &Workspace) -> Result<()> {
    let present = any_program(&["ffmpeg"]) && any_program(&["ffprobe"]);
    install(workspace, if present { &[] } else { &["ffmpeg"] })
}

/// `faketime`, which steps a program's wall clock.
pub(crate) fn ensure_faketime(workspace: &Workspace) -> Result<()> {
    install(workspace, if any_program(&["faketime"]) { &[] } else { &["faketime"] })
}

/// `jq`, with which the pipeline's scripts read JSON, and `shellcheck`, which also checks scripts in workflows for actionlint.
pub(crate) fn ensure_scripts(workspace: &Workspace) -> Result<()> {
    let missing: Vec<&str> = ["jq", "shellcheck"].into_iter().filter(|name| !any_program(&[name])).collect();
    install(workspace, &missing)
}

pub(crate) fn ensure_python(workspace: &Workspace) -> Result<()> {
    let present = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    let present = present.is_ok_and(|output| output.status.success());
    install(workspace, if present { &[] } else { &["python3", "python3-venv"] })
}

/// GStreamer with webrtcbin, and its bindings for the system's Python.
pub(crate) fn ensure_gstreamer(workspace: &Workspace) -> Result<()> {
    let import = "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0'); \
                  from gi.repository import Gst, GstSdp, GstWebRTC; Gst.init(None); \
                  names = ('webrtcbin', 'nicesrc', 'vp8enc', 'opusenc', 'srtpenc'); \
                  assert all(map(Gst.ElementFactory.find, names))";
    let python = if Path::new(SYSTEM_PYTHON).exists() { SYSTEM_PYTHON } else { "python3" };
    let present = Command::new(python).args(["-c", import]).output().is_ok_and(|output| output.status.success());
    install(workspace, if present && any_program(&["openssl"]) { &[] } else { GSTREAMER })
}

/// The packages of the programs that are not there, each `(program, package)`.
fn missing<'a>(needed: &[(&str, &'a str)]) -> Vec<&'a str> {
    needed.iter().filter(|(program, _)| !any_program(&[program])).map(|(_, package)| *package).collect()
}

/// Installs Debian packages as root, or prints the command that would.
fn install(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    let Some(prefix) = root_prefix() else {
        bail!("missing: {names}; run `sudo apt-get install {names}` (or your system's equivalent), then start again");
    };
    // A new machine's package lists may be empty or too old to download from.
    progress::run(workspace, "apt-get update", apt(prefix).arg("update"))?;
    let mut command = apt(prefix);
    command.args(["install", "-y", "--no-install-recommends"]).args(packages);
    progress::run(workspace, &format!("apt-get install {names}"), &mut command)
}

/// A prefix that runs a command as root without a prompt; `None` if that is impossible.
fn root_prefix() -> Option<&'static [&'static str]> {
    if !any_program(&["apt-get"]) {
        return None;
    }
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        return Some(&[]);
    }
    let silent = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    silent.then_some(&["sudo", "-n"])
}

fn apt(prefix: &[&str]) -> Command {
    let mut words = prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words);
    command
}

fn any_program(names: &[&str]) -> bool {
    names.iter().any(|name| find_program(&system_path(), name).is_some())
}
