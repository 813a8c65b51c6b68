//! The Worker: cargo, wasm-bindgen, wasm-opt and esbuild, in the order that worker-build knows.

use anyhow::Result;

use super::Flavour;
use crate::lock::Lock;
use crate::setup::Tools;
use crate::stamp::{Fingerprint, Stamp};
use crate::workspace::Workspace;
use crate::{pins, progress};

/// What the Worker is made of, beside the crates that Cargo.lock names.
const SOURCES: &[&str] = &["edge", "shared", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "package-lock.json"];

/// Builds `edge/build`, which is deployed, or `.rotunda/edge`, which has the routes that only a developer may have.
pub(crate) fn build(workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
    let (step, folder) = match flavour {
        Flavour::Quick => ("edge Worker", ".rotunda/edge"),
        Flavour::Release => ("edge Worker (release)", "edge/build"),
    };
    let _lock = Lock::take(workspace, step)?;
    let stamp = Stamp::new(workspace, step, &fingerprint(workspace)?);
    if workspace.path(folder).join("index_bg.wasm").is_file() && stamp.is_current() {
        progress::skip(step, "unchanged");
        return Ok(());
    }
    stamp.clear()?;
    let mut command = tools.command("worker-build");
    command
        .current_dir(workspace.path("edge"))
        .env("NO_COLOR", "1")
        .env("CARGO_TERM_COLOR", "never")
        .env("RUST_BACKTRACE", "0");
    for (variable, program) in
        [("WASM_BINDGEN_BIN", "wasm-bindgen"), ("WASM_OPT_BIN", "wasm-opt"), ("ESBUILD_BIN", "esbuild")]
    {
        // worker-build looks here before it downloads.
        command.env(variable, tools.find(program).unwrap_or_else(|| program.into()));
    }
    command.arg("--out-dir").arg(workspace.path(folder)).args(arguments(flavour));
    progress::run(workspace, step, &mut command)?;
    stamp.write()
}

fn arguments(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::Quick => &["--no-opt", "--profile", "quick", "--features", "development"],
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
