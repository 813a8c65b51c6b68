//! Paths: the repository, and the folder for everything that xtask creates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The repository root, and a folder that can be deleted at any time.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    state: PathBuf,
}

impl Workspace {
    /// Locates the repository from this crate's own path.
    pub(crate) fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is not in a workspace")?;
        Ok(Self { root: root.to_owned(), state: root.join(".rotunda") })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Every file that git knows or would know, from the repository root, in order.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("starting git")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
        let mut files: Vec<String> = text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// `.rotunda`: tools, logs, stamps, development state.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Tools installed for this repository only.
    pub(crate) fn tools(&self) -> PathBuf {
        self.state.join("tools")
    }

    /// The full output of each step.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Cargo's build folder, which `CARGO_TARGET_DIR` may move.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// `path` as shown to a person: relative to the repository.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
