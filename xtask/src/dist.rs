//! `cargo xtask dist`: builds everything that is deployed, all of one version, into `target/dist`, with checksums and
//! bills of materials.

mod elf;
mod programs;
mod sbom;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::progress;
use crate::setup::{self, Tools};
use crate::workspace::Workspace;

/// Lists all files with size and SHA-256, and their common version and commit.
const MANIFEST: &str = "manifest.json";

/// The same checksums for `sha256sum --check`.
const SUMS: &str = "SHA256SUMS";

/// The only place where builds get their version from (`shared/src/version.rs`).
pub(crate) const VERSION_VARIABLE: &str = "ROTUNDA_VERSION";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build only these [default: all]; existing files of the same version are kept
    #[arg(value_enum)]
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Static programs for this machine's architecture
    Programs,
    /// The Worker with the meet app, as `wrangler deploy` takes it
    Worker,
    /// The npm packages `@rotunda/client` and `@rotunda/react`
    Packages,
}

struct Dist<'a> {
    workspace: &'a Workspace,
    tools: &'a Tools,
    /// `target/dist`; Terraform reads the programs there.
    folder: PathBuf,
    version: Version,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    let folder = workspace.target().join("dist");
    let dist = Dist { workspace, tools: &tools, folder, version: Version::read(workspace)? };
    dist.begin()?;
    let all = [Part::Programs, Part::Worker, Part::Packages];
    for part in if options.parts.is_empty() { &all } else { options.parts.as_slice() } {
        match part {
            Part::Programs => programs::make(&dist)?,
            Part::Worker => worker::make(&dist)?,
            Part::Packages => dist.packages()?,
        }
    }
    dist.seal()
}

impl Dist<'_> {
    /// Removes files of another version, so that they cannot be confused with the new ones.
    fn begin(&self) -> Result<()> {
        let before = fs::read_to_string(self.folder.join(MANIFEST)).unwrap_or_default();
        let before: Value = serde_json::from_str(&before).unwrap_or_default();
        if !before.is_null() && before["version"] != self.version.whole() {
            fs::remove_dir_all(&self.folder).with_context(|| format!("removing {}", self.folder.display()))?;
        }
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))
    }

    /// `npm pack` also builds the packages.
    fn packages(&self) -> Result<()> {
        let mut command = self.tools.command("npm");
        command.args(["pack", "--workspace", "client/sdk", "--workspace", "client/react", "--pack-destination"]);
        progress::run(self.workspace, "npm packages (dist)", command.arg(&self.folder))
    }

    /// Writes the checksums, and prints the files.
    fn seal(&self) -> Result<()> {
        let mut files = Vec::new();
        for name in files_in(&self.folder)?.into_iter().filter(|name| name != MANIFEST && name != SUMS) {
            let path = self.folder.join(&name);
            let bytes = fs::metadata(&path).with_context(|| format!("reading {name}"))?.len();
            files.push((name, bytes, sha256(&path)?));
        }
        let sums: String = files.iter().map(|(name, _, sum)| format!("{sum}  {name}\n")).collect();
        write(&self.folder.join(SUMS), &sums)?;
        let manifest = self.version.manifest(&files);
        write(&self.folder.join(MANIFEST), &format!("{manifest:#}\n"))?;
        println!("\n  {} in {}", self.version.whole(), self.workspace.relative(&self.folder));
        for (name, bytes, sum) in &files {
            println!("  {:>7.1} MB  {}…  {name}", *bytes as f64 / 1e6, sum.get(..12).unwrap_or_default());
        }
        Ok(())
    }

    /// A separate xtask process, with the version in the environment of everything that it builds.
    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = self.tools.cargo();
        command.arg("xtask").args(arguments).env(VERSION_VARIABLE, self.version.whole());
        command
    }
}

/// The version of all results of one run.
struct Version {
    /// From the workspace, and in each `Cargo.toml` and `package.json`.
    number: &'static str,
    commit: String,
    /// True if files differ from the commit.
    is_dirty: bool,
}

impl Version {
    fn read(workspace: &Workspace) -> Result<Self> {
        let git = |arguments: &[&str]| -> Result<String> {
            let output = Command::new("git").args(arguments).current_dir(workspace.root()).output();
            let output = output.context("starting git")?;
            ensure!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let (commit, changes) = (git(&["rev-parse", "HEAD"])?, git(&["status", "--porcelain"])?);
        Ok(Self { number: env!("CARGO_PKG_VERSION"), commit, is_dirty: !changes.is_empty() })
    }

    /// As every program reports it. Build metadata (SemVer §10) does not affect precedence.
    fn whole(&self) -> String {
        let commit = self.commit.get(..12).unwrap_or(&self.commit);
        format!("{}+{commit}{}", self.number, if self.is_dirty { ".dirty" } else { "" })
    }

    fn manifest(&self, files: &[(String, u64, String)]) -> Value {
        let file = |(name, bytes, sum): &(String, u64, String)| json!({ "name": name, "bytes": bytes, "sha256": sum });
        let files: Vec<Value> = files.iter().map(file).collect();
        json!({ "version": self.whole(), "commit": self.commit, "files": files })
    }
}

/// The names of a folder's own files, sorted.
fn files_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg("--").arg(file).output().context("starting sha256sum")?;
    match String::from_utf8_lossy(&output.stdout).split_whitespace().next() {
        Some(sum) if output.status.success() && sum.len() == 64 => Ok(sum.to_owned()),
        _ => bail!("sha256sum {}: {}", file.display(), String::from_utf8_lossy(&output.stderr).trim()),
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

/// Copies a file, or a folder with its content.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("copying {}", from.display());
    if from.is_dir() {
        fs::create_dir_all(to).with_context(context)?;
        for entry in fs::read_dir(from).with_context(context)? {
            let name = entry.with_context(context)?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    fs::create_dir_all(to.parent().context("a file lies in a folder")?).with_context(context)?;
    fs::copy(from, to).map(drop).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(is_dirty: bool) -> Version {
        Version { number: "1.2.3", commit: "9f3c2ab41d0755aa9f3c2ab41d0755aa9f3c2ab4".to_owned(), is_dirty }
    }

    #[test]
    fn a_version_names_its_commit_and_whether_files_differ_from_it() {
        assert_eq!(version(false).whole(), "1.2.3+9f3c2ab41d07");
        assert_eq!(version(true).whole(), "1.2.3+9f3c2ab41d07.dirty");
        let files = [("a".to_owned(), 3, "ab".to_owned())];
        let expected = json!({
            "version": "1.2.3+9f3c2ab41d07",
            "commit": "9f3c2ab41d0755aa9f3c2ab41d0755aa9f3c2ab4",
            "files": [{ "name": "a", "bytes": 3, "sha256": "ab" }],
        });
        assert_eq!(version(false).manifest(&files), expected);
    }

    /// The npm packages have the workspace's version, and refer to each other by it.
    #[test]
    fn one_number_is_in_every_manifest() {
        let workspace = Workspace::locate().expect("a repository");
        let mut checked = 0;
        for file in workspace.files().expect("git").iter().filter(|file| file.ends_with("package.json")) {
            let text = fs::read_to_string(workspace.path(file)).expect("a file");
            let manifest: Value = serde_json::from_str(&text).expect("JSON");
            let number = env!("CARGO_PKG_VERSION");
            assert_eq!(manifest["version"], number, "{file}");
            let tables = ["dependencies", "devDependencies", "peerDependencies"];
            let named = tables.iter().filter_map(|table| manifest[table].as_object()).flatten();
            for (name, wanted) in named.filter(|(name, _)| name.starts_with("@rotunda/")) {
                let wanted = wanted.as_str().expect("a range");
                assert_eq!(wanted.trim_start_matches('^'), number, "{file}: {name}");
                checked += 1;
            }
        }
        assert!(checked >= 4, "{checked}");
    }
}
