//! The Worker as one archive: `wrangler deploy` builds nothing from its unpacked folder, so the deployed code is the
//! tested code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Dist, copy, sbom, write};
use crate::{pins, progress};

const FOLDER: &str = "rotunda-worker";

/// The files that `wrangler.toml` refers to, at the same paths.
const COPIED: &[&str] = &["edge/entry.mjs", "edge/instance.mjs", "edge/build", "client/meet/dist"];

pub(super) fn make(dist: &Dist<'_>) -> Result<()> {
    progress::run(dist.workspace, "meet app (dist)", &mut dist.xtask(&["build", "client"]))?;
    progress::run(dist.workspace, "edge Worker (dist)", &mut dist.xtask(&["build", "edge"]))?;
    let folder = dist.folder.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for path in COPIED {
        copy(&dist.workspace.path(path), &folder.join(path))?;
    }
    let config = fs::read_to_string(dist.workspace.path("wrangler.toml")).context("reading wrangler.toml")?;
    write(&folder.join("wrangler.toml"), &without_build(&config))?;
    check_version(dist, &folder)?;
    let mut dry_run = dist.tools.command("wrangler");
    dry_run.args(["deploy", "--dry-run", "--env", "production", "--outdir"]);
    dry_run.arg(dist.workspace.state().join("wrangler/dist")).arg("--config").arg(folder.join("wrangler.toml"));
    progress::run(dist.workspace, "wrangler (dist)", dry_run.env("WRANGLER_SEND_METRICS", "false"))?;
    progress::run(dist.workspace, "worker archive", &mut archive(dist))?;
    let bill = sbom::of_crate(dist, "edge", pins::WASM_TARGET)?;
    write(&dist.folder.join(format!("{FOLDER}.cdx.json")), &format!("{bill:#}\n"))?;
    let bill = sbom::of_npm(dist, "client/meet")?;
    write(&dist.folder.join("rotunda-meet.cdx.json"), &format!("{bill:#}\n"))
}

/// Removes the table `[build]`: `wrangler deploy` must not build.
fn without_build(config: &str) -> String {
    let mut is_build = false;
    let keep = |line: &&str| {
        if line.starts_with('[') {
            is_build = line.trim() == "[build]";
        }
        !is_build
    };
    config.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

/// The module contains its version as text, because `/healthz` reports it.
fn check_version(dist: &Dist<'_>, folder: &Path) -> Result<()> {
    let module = fs::read(folder.join("edge/build/index_bg.wasm")).context("reading the Worker's module")?;
    let version = dist.version.whole();
    let found = module.windows(version.len()).any(|window| window == version.as_bytes());
    ensure!(found, "the Worker does not know its version {version}");
    Ok(())
}

/// Identical files give an identical archive.
fn archive(dist: &Dist<'_>) -> Command {
    let mut command = Command::new("tar");
    command.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"]);
    command.arg("--use-compress-program=gzip -9n").arg("--create").arg("--file");
    command.arg(dist.folder.join(format!("{FOLDER}.tar.gz"))).arg("--directory").arg(&dist.folder).arg(FOLDER);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_deployed_without_a_build_and_otherwise_as_the_repository() {
        let config = include_str!("../../../wrangler.toml");
        let own: toml::Table = toml::from_str(config).expect("TOML");
        let mut archived: toml::Table = toml::from_str(&without_build(config)).expect("TOML");
        assert!(archived.insert("build".to_owned(), own["build"].clone()).is_none());
        assert_eq!(archived, own);
    }

    #[test]
    fn every_file_that_the_configuration_names_is_copied() {
        let own: toml::Table = toml::from_str(include_str!("../../../wrangler.toml")).expect("TOML");
        let named = [own["main"].as_str(), own["assets"]["directory"].as_str()];
        for path in named {
            assert!(COPIED.contains(&path.expect("a path")), "{path:?}");
        }
        let entry = include_str!("../../../edge/entry.mjs");
        let imported = entry.lines().filter_map(|line| line.split_once(" from \"./")?.1.split('"').next());
        for path in imported.map(|path| format!("edge/{path}")) {
            assert!(COPIED.iter().any(|copied| path.starts_with(copied)), "{path}");
        }
    }
}
