//! Installs what a fresh machine lacks, each thing once, and hands out commands that find it.

mod cargo_tool;
mod node;
mod python;
mod rust;
mod system;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::lock::Lock;
use crate::pins;
use crate::workspace::Workspace;

/// The proof that setup ran: only through it are tools started.
pub(crate) struct Tools {
    workspace: Workspace,
    path: OsString,
}

impl Tools {
    /// A command in the repository root that finds the tools of this repository before the system's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.find(program).unwrap_or_else(|| PathBuf::from(program)));
        command.current_dir(self.workspace.root()).env("PATH", &self.path);
        command
    }

    /// `cargo`, of the toolchain that runs xtask.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command("cargo");
        command.args(["--config", "term.color='never'"]);
        command
    }

    /// Where `program` is.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        find_program(&self.path, program)
    }
}

/// What every command that builds or starts something needs.
pub(crate) fn for_build(workspace: &Workspace) -> Result<Tools> {
    let _lock = Lock::take(workspace, "setup")?;
    system::ensure_compiler(workspace)?;
    rust::ensure_wasm_target(workspace)?;
    let tools = with_node(workspace)?;
    cargo_tool::ensure(&tools, "wasm-bindgen-cli", &wasm_bindgen_version(workspace)?, &["--bin", "wasm-bindgen"])?;
    if !cargo_tool::is_present(workspace, "worker-build", pins::WORKER_BUILD) {
        system::ensure_openssl(workspace)?;
    }
    cargo_tool::ensure(&tools, "worker-build", pins::WORKER_BUILD, &["--bin", "worker-build"])?;
    cargo_tool::ensure(&tools, "s3s-fs", pins::S3S_FS, &["--features", "binary", "--bin", "s3s-fs"])?;
    cargo_tool::clean(workspace)?;
    Ok(tools)
}

/// Node.js and the npm packages alone: enough for the client.
pub(crate) fn for_node(workspace: &Workspace) -> Result<Tools> {
    let _lock = Lock::take(workspace, "setup")?;
    with_node(workspace)
}

/// rustfmt and clippy.
pub(crate) fn for_lint(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    rust::ensure_components(&tools.workspace)
}

/// The browsers, which an npm package drives, and networks for them.
pub(crate) fn for_browsers(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_browsers(&tools.workspace)?;
    system::ensure_networks(&tools.workspace)
}

/// coturn, whose client tests our TURN server, and which is measured beside it.
pub(crate) fn for_relaying(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_coturn(&tools.workspace)
}

/// What reads recordings as anybody would.
pub(crate) fn for_recordings(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_ffmpeg(&tools.workspace)
}

/// Python, for clients of other people's making.
pub(crate) fn for_interop(tools: &Tools) -> Result<()> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_python(&tools.workspace)
}

/// The program that checks the HTTP API against its document.
pub(crate) fn for_api(tools: &Tools) -> Result<PathBuf> {
    let _lock = Lock::take(&tools.workspace, "setup")?;
    system::ensure_python(&tools.workspace)?;
    python::ensure_program(&tools.workspace, "schemathesis", pins::SCHEMATHESIS)
}

/// The first executable called `name` on `path`.
pub(crate) fn find_program(path: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn with_node(workspace: &Workspace) -> Result<Tools> {
    let mut path = vec![workspace.tools().join("bin")];
    path.extend(node::ensure_node(workspace)?);
    path.push(workspace.path("node_modules/.bin"));
    path.extend(std::env::split_paths(&system_path()));
    let path = std::env::join_paths(path).context("a folder on the PATH holds a colon")?;
    let tools = Tools { workspace: workspace.clone(), path };
    node::ensure_packages(&tools)?;
    Ok(tools)
}

fn wasm_bindgen_version(workspace: &Workspace) -> Result<String> {
    let lock = fs::read_to_string(workspace.path("Cargo.lock")).context("reading Cargo.lock")?;
    pins::locked_version(&lock, "wasm-bindgen").context("Cargo.lock names no wasm-bindgen")
}

fn system_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
