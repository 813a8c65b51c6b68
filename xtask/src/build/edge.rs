//! The Worker: cargo, wasm-bindgen, wasm-opt and esbuild, in the order that worker-build knows.

use anyhow::Result;

use super::Flavour;
use crate::setup::Tools;
use crate::stamp::{Fingerprint, Stamp};
use crate::workspace::Workspace;
use crate::{pins, progress};

/// What the Worker is made of, beside the crates that Cargo.lock names.
const SOURCES: &[&str] = &["edge", "shared", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "package-lock.json"];

/// Builds `edge/build`. A current release build serves where a quick one is asked for.
pub(crate) fn build(workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
    let sources = fingerprint(workspace)?;
    let release = Stamp::new(workspace, "edge", &sources.clone().fact("release"));
    let quick = Stamp::new(workspace, "edge", &sources.fact("quick"));
    let built = workspace.path("edge/build/index_bg.wasm").is_file();
    if built && (release.is_current() || flavour == Flavour::Quick && quick.is_current()) {
        progress::skip("edge Worker", "unchanged");
        return Ok(());
    }
    let stamp = if flavour == Flavour::Release { release } else { quick };
    stamp.clear()?;
    let mut command = tools.command("worker-build");
    command.current_dir(workspace.path("edge")).env("NO_COLOR", "1").env("CARGO_TERM_COLOR", "never");
    for (variable, program) in
        [("WASM_BINDGEN_BIN", "wasm-bindgen"), ("WASM_OPT_BIN", "wasm-opt"), ("ESBUILD_BIN", "esbuild")]
    {
        // worker-build looks here before it downloads.
        command.env(variable, tools.find(program).unwrap_or_else(|| program.into()));
    }
    command.args(arguments(flavour));
    progress::run(workspace, "edge Worker", &mut command)?;
    stamp.write()
}

fn arguments(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Quick => &["--no-opt", "--profile", "quick"],
        Flavour::Release => &["--profile", "edge"],
    }
}

fn fingerprint(workspace: &Workspace) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default().fact(pins::WORKER_BUILD);
    for source in SOURCES {
        fingerprint = fingerprint.fact(source).path(&workspace.path(source))?;
    }
    Ok(fingerprint)
}
