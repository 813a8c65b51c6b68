//! Components that rustup adds to the toolchain that runs xtask.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{pins, progress};

/// Printed if the target is missing and rustup cannot add it.
const NO_WASM_TARGET: &str = "no standard library for wasm32-unknown-unknown: run `rustup target add wasm32-unknown-unknown`, \
    or, where rustup reaches no server, build it with `cargo build -Zbuild-std=std,panic_abort` out of Debian's rustc-web and \
    rust-web-src of one version, copy the rlibs into that rustc's lib/rustlib/wasm32-unknown-unknown/lib, and set RUSTC to it";

pub(crate) fn ensure_wasm_target(workspace: &Workspace) -> Result<()> {
    if has_wasm_target()? {
        return Ok(());
    }
    let added = progress::run(
        workspace,
        "rustup target add",
        Command::new("rustup").args(["target", "add", pins::WASM_TARGET]),
    );
    if added.is_err() || !has_wasm_target()? { added.context(NO_WASM_TARGET) } else { Ok(()) }
}

/// rustfmt and clippy, which a minimal toolchain lacks.
pub(crate) fn ensure_components(workspace: &Workspace) -> Result<()> {
    for (component, program) in [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")] {
        let present = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        if !present {
            progress::run(
                workspace,
                &format!("rustup component add {component}"),
                Command::new("rustup").args(["component", "add", component]),
            )
            .with_context(|| format!("{component} is missing: run `rustup component add {component}`"))?;
        }
    }
    Ok(())
}

fn has_wasm_target() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", pins::WASM_TARGET])
        .output()
        .context("starting rustc")?;
    if !output.status.success() {
        bail!("rustc does not have the target {}", pins::WASM_TARGET);
    }
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}
