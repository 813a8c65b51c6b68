//! Installs missing tools once, and provides commands that find them.

mod delivery;
mod go;
mod node;
mod python;
mod rust;
mod system;
mod terraform;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::lock::Lock;
use crate::pins;
use crate::tasks::{Task, Tasks};
use crate::workspace::Workspace;
pub(crate) use delivery::Linters;
pub(crate) use terraform::Checkers;

/// The task that installs the packages of `package-lock.json`.
pub(crate) const NPM: &str = "npm packages";

/// Proof that setup ran: tools are started only through it.
pub(crate) struct Tools {
    workspace: Workspace,
    path: OsString,
}

impl Tools {
    /// A command in the repository root that finds this repository's tools before the system's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.find(program).unwrap_or_else(|| PathBuf::from(program)));
        command.current_dir(self.workspace.root()).env("PATH", &self.path);
        command
    }

    /// `cargo` of the toolchain that runs xtask.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command("cargo");
        command.args(["--config", "term.color='never'"]);
        command
    }

    /// `cargo build` that reports its progress to [`crate::tasks`]; by default it does so only on a terminal.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut command = self.cargo();
        command.arg("build").env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
        command
    }

    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        find_program(&self.path, program)
    }
}

/// Tools for every command that builds or starts something.
pub(crate) fn for_build(workspace: &Workspace) -> Result<Tools> {
    let tools = for_dev(workspace)?;
    Tasks::new(workspace, vec![npm_packages(&tools)]).run()?;
    Ok(tools)
}

/// Like [`for_build`], without the npm packages, which can be installed during a build.
pub(crate) fn for_dev(workspace: &Workspace) -> Result<Tools> {
    let _lock = Lock::take(workspace, "setup")?;
    system::ensure_compiler(workspace)?;
    rust::ensure_wasm_target(workspace)?;
    with_node(workspace)
}

/// Only Node.js and the npm packages: enough for the client.
pub(crate) fn for_node(workspace: &Workspace) -> Result<Tools> {
    let tools = {
        let _lock = Lock::take(workspace, "setup")?;
        with_node(workspace)?
    };
    Tasks::new(workspace, vec![npm_packages(&tools)]).run()?;
    Ok(tools)
}

/// Installs the npm packages if they are missing.
pub(crate) fn npm_packages(tools: &Tools) -> Task<'_> {
    let installed = tools.workspace.path("node_modules").is_dir();
    let prepare = Box::new(|| node::packages(tools));
    Task { name: NPM, after: &[], cost_s: if installed { 2 } else { 40 }, prepare }
}

/// rustfmt and clippy.
pub(crate) fn for_lint(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    rust::ensure_components(&tools.workspace)
}

/// The browsers, which an npm package drives, and a microphone and networks for them.
pub(crate) fn for_browsers(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_browsers(&tools.workspace)?;
    system::ensure_sound(&tools.workspace)?;
    system::ensure_networks(&tools.workspace)
}

/// coturn: its client tests our TURN server, and its server is the benchmarks' comparison.
pub(crate) fn for_relaying(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_relaying(&tools.workspace)
}

/// Printed in place of what [`may_relay_in_kernel`] forbids.
pub(crate) const KERNEL_NEEDS: &str =
    "not allowed: needs root, or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN";

/// True if programs for the kernel can be loaded, and network namespaces made (capabilities(7), proc(5), `CapEff`).
pub(crate) fn may_relay_in_kernel() -> bool {
    const NEEDED: u64 = 1 << 12 | 1 << 21 | 1 << 38 | 1 << 39;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    held.and_then(|held| u64::from_str_radix(held.trim(), 16).ok()).is_some_and(|held| held & NEEDED == NEEDED)
}

/// Pebble, an ACME authority, and its DNS server; false without Go.
pub(crate) fn for_certificates(tools: &Tools) -> Result<bool> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    let build = |name: &str| {
        let module = format!("github.com/letsencrypt/pebble/v2/cmd/{name}");
        go::program(tools, name, &module, pins::PEBBLE)
    };
    Ok(build("pebble")?.is_some() && build("pebble-challtestsrv")?.is_some())
}

/// Janus, the benchmarks' comparison for forwarding.
pub(crate) fn janus(tools: &Tools) -> Result<PathBuf> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_janus(&tools.workspace)
}

/// ffmpeg, an independent reader of recordings, and a steppable clock.
pub(crate) fn for_recordings(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_ffmpeg(&tools.workspace)?;
    system::ensure_faketime(&tools.workspace)
}

/// Python and GStreamer, for independent clients.
pub(crate) fn for_interop(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_python(&tools.workspace)?;
    system::ensure_gstreamer(&tools.workspace)?;
    system::ensure_ffmpeg(&tools.workspace)
}

/// The program that checks the HTTP API against its document.
pub(crate) fn for_api(tools: &Tools) -> Result<PathBuf> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_python(&tools.workspace)?;
    python::ensure_program(&tools.workspace, "schemathesis", "schemathesis", pins::SCHEMATHESIS)
}

/// Terraform with its provider, and the programs that check modules.
pub(crate) fn for_terraform(tools: &Tools) -> Result<Checkers> {
    terraform::checkers(tools)
}

/// The programs that check licences, container recipes and workflows.
pub(crate) fn for_delivery(tools: &Tools) -> Result<Linters> {
    delivery::linters(tools)
}

pub(crate) fn find_program(path: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn with_node(workspace: &Workspace) -> Result<Tools> {
    let mut path: Vec<PathBuf> = node::ensure_node(workspace)?.into_iter().collect();
    path.push(workspace.path("node_modules/.bin"));
    path.extend(std::env::split_paths(&system_path()));
    let path = std::env::join_paths(path).context("a folder on the PATH contains a colon")?;
    Ok(Tools { workspace: workspace.clone(), path })
}

fn system_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
