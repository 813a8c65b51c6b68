//! Programs that run on any Linux of their architecture: statically linked, and without paths of the build machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Dist, VERSION_VARIABLE, copy, elf, sbom, write};
use crate::progress;

/// Crates whose program has the same name. The first two run on servers.
const NODES: [&str; 2] = ["media-node", "turn-node"];
const TOOL: &str = "rotunda";

pub(super) fn make(dist: &Dist<'_>) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the programs are for Linux: build them there");
    // Separate builds, because a dependency gets the features requested by all crates of one call.
    progress::run(dist.workspace, "media and TURN node (dist)", &mut build(dist, &NODES))?;
    progress::run(dist.workspace, "rotunda (dist)", &mut build(dist, &[TOOL]))?;
    for program in NODES.into_iter().chain([TOOL]) {
        let built = dist.workspace.target().join(triple()).join("release").join(program);
        check(dist, program, &built)?;
        let name = format!("{program}-{}", architecture());
        fs::copy(&built, dist.folder.join(&name)).with_context(|| format!("copying {program}"))?;
        let bill = sbom::of_crate(dist, program, &triple())?;
        write(&dist.folder.join(format!("{name}.cdx.json")), &format!("{bill:#}\n"))?;
    }
    // Files that the Containerfiles copy beside a program.
    copy(&dist.workspace.path("docs/containers/root"), &dist.folder.join("root"))
}

fn build(dist: &Dist<'_>, packages: &[&str]) -> Command {
    let root = dist.workspace.root().display();
    let crates = crates_folder();
    let mut command = dist.tools.cargo_build();
    // With an explicit target, the flags do not apply to build scripts and macros, which need a dynamic loader.
    command.args(["--release", "--locked", "--target", &triple()]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        // A static program finds no function by name at run time: without this, random numbers would come from /dev/urandom.
        "--cfg=getrandom_backend=\"linux_getrandom\"".to_owned(),
        format!("--remap-path-prefix={root}=/rotunda"),
        format!("--remap-path-prefix={crates}=/crates"),
    ];
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let flags = format!("-ffile-prefix-map={root}=/rotunda -ffile-prefix-map={crates}=/crates");
    command.env(format!("CFLAGS_{}", triple().replace('-', "_")), flags);
    // Without debug information, backtraces still name functions, and the media node has 22 MB instead of 86.
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "false").env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    command.env(VERSION_VARIABLE, dist.version.whole());
    command
}

/// Checks that a program reports its version, needs no library, and contains no path of this machine.
fn check(dist: &Dist<'_>, program: &str, built: &Path) -> Result<()> {
    let bytes = fs::read(built).with_context(|| format!("reading {}", built.display()))?;
    ensure!(elf::is_static(&bytes), "{program} is not static");
    for path in [dist.workspace.root().display().to_string(), crates_folder()] {
        let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
        ensure!(!found, "{program} names {path}");
    }
    let output = Command::new(built).arg("--version").output().with_context(|| format!("starting {program}"))?;
    let (said, expected) = (String::from_utf8_lossy(&output.stdout), format!("{program} {}\n", dist.version.whole()));
    ensure!(said == expected, "{program} --version says {said:?}, not {expected:?}");
    Ok(())
}

/// The folder into which cargo unpacks crates.
fn crates_folder() -> String {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        std::path::PathBuf::from,
    );
    home.join("registry/src").display().to_string()
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The architecture's name for AWS and Terraform.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { std::env::consts::ARCH }
}
