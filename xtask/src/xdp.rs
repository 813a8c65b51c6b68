//! `cargo xtask xdp`: builds the program that the TURN node runs in the kernel. The result is committed, because its
//! linker takes minutes to build.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::Tools;
use crate::stamp::Fingerprint;
use crate::workspace::Workspace;
use crate::{pins, progress};

const CRATE: &str = "turn-node/xdp";
const LAYOUT: &str = "turn-node/src/kernel/layout.rs";
const OBJECT: &str = "turn-node/src/kernel/relay.o";
/// The digest of the sources from which the object was built.
const SOURCES: &str = "turn-node/src/kernel/relay.sources";
const TARGET: &str = "bpfel-unknown-none";
/// Atomic instructions, and short copies without calls.
const FLAGS: &str = "-Ctarget-cpu=v3\u{1f}-Cdebuginfo=0\u{1f}-Clink-arg=--disable-expand-memcpy-in-order";

/// Builds the program, and writes it where the node includes it.
pub(crate) fn run(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let built = build(workspace, tools)?;
    fs::copy(&built, workspace.path(OBJECT)).context("storing the program")?;
    fs::write(workspace.path(SOURCES), sources(workspace)?).context("storing the digest of its sources")
}

/// Fails if the stored program is not that of the sources. Without the linker, only their digest is compared.
pub(crate) fn check(workspace: &Workspace, tools: &Tools) -> Result<()> {
    const STALE: &str = "is stale: run `cargo xtask xdp` and commit what it writes";
    if fs::read_to_string(workspace.path(SOURCES)).ok() != Some(sources(workspace)?) {
        bail!("{OBJECT} {STALE}");
    }
    let rustc = Command::new("rustc").arg("--version").output().context("starting rustc")?;
    let is_same = String::from_utf8_lossy(&rustc.stdout).starts_with(&format!("rustc {} ", pins::BPF_RUSTC));
    if !is_same || tools.find("bpf-linker").is_none() {
        let why = format!("not built again without Rust {} and bpf-linker {}", pins::BPF_RUSTC, pins::BPF_LINKER);
        progress::skip("program for the kernel", &why);
        return Ok(());
    }
    let fresh = fs::read(build(workspace, tools)?).context("reading the built program")?;
    if fs::read(workspace.path(OBJECT)).ok() != Some(fresh) {
        bail!("{OBJECT} {STALE}");
    }
    Ok(())
}

fn build(workspace: &Workspace, tools: &Tools) -> Result<PathBuf> {
    let linker = tools.find("bpf-linker").with_context(|| {
        format!("no bpf-linker: run `cargo install bpf-linker --version {} --locked`", pins::BPF_LINKER)
    })?;
    let version = Command::new(&linker).arg("--version").output().context("starting bpf-linker")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if version != format!("bpf-linker {}", pins::BPF_LINKER) {
        bail!("{version}, not {}: another linker writes other bytes", pins::BPF_LINKER);
    }
    let target = workspace.target().join("xdp");
    let mut command = tools.cargo();
    command.current_dir(workspace.path(CRATE)).args(["build", "--release", "--locked", "--target", TARGET]);
    // There is no standard library for this target, and building one is not stable yet.
    command.args(["-Zbuild-std=core"]).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &target);
    command.env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker);
    command.env("CARGO_ENCODED_RUSTFLAGS", FLAGS).env_remove("RUSTFLAGS");
    progress::run(workspace, "program for the kernel", &mut command)?;
    Ok(target.join(TARGET).join("release/turn-xdp"))
}

fn sources(workspace: &Workspace) -> Result<String> {
    let program = Fingerprint::default().path(&workspace.path(CRATE))?.path(&workspace.path(LAYOUT))?;
    Ok(format!("{}\n", program.fact(pins::BPF_LINKER).fact(pins::BPF_RUSTC).digest()))
}
