//! Builds the Worker: cargo, wasm-bindgen, and esbuild to bundle the JavaScript.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::program::Program;
use super::{Flavour, MEDIA_NODE, NATIVE, NPM, WASM_BINDGEN, cost};
use crate::dist::VERSION_VARIABLE;
use crate::pins;
use crate::setup::Tools;
use crate::stamp::{Fingerprint, Stamp};
use crate::tasks::{Task, Work};
use crate::workspace::Workspace;

/// Sources of the Worker, besides the crates in Cargo.lock.
const SOURCES: &[&str] = &[
    "edge",
    "shared",
    "docs/openapi.json",
    "xtask/bindgen",
    "Cargo.toml",
    "Cargo.lock",
    ".cargo/config.toml",
    "package-lock.json",
];

struct Build<'a> {
    workspace: &'a Workspace,
    tools: &'a Tools,
    flavour: Flavour,
    /// The folder of the result.
    folder: PathBuf,
    /// The folder in which it is assembled.
    staging: PathBuf,
}

/// Builds `edge/build`, which is deployed, or `.rotunda/edge`, which has development-only routes. Needs
/// [`Program::WorkerBindgen`].
pub(crate) fn task<'a>(workspace: &'a Workspace, tools: &'a Tools, flavour: Flavour) -> Task<'a> {
    let (name, folder, staging, cost_s) = match flavour {
        Flavour::Quick => (super::EDGE, workspace.state().join("edge"), "edge-staging", 150),
        Flavour::Release => ("edge Worker (release)", workspace.path("edge/build"), "edge-staging-release", 250),
    };
    let build = Build { workspace, tools, flavour, folder, staging: workspace.state().join(staging) };
    let cost_s = cost(build.is_there(), cost_s);
    Task {
        name,
        after: &[NPM, MEDIA_NODE, NATIVE, WASM_BINDGEN],
        cost_s,
        prepare: Box::new(move || build.prepare(name)),
    }
}

impl<'a> Build<'a> {
    fn is_there(&self) -> bool {
        self.folder.join("index_bg.wasm").is_file()
    }

    fn prepare(self, name: &str) -> Result<Work<'a>> {
        let stamp = Stamp::new(self.workspace, name, &self.fingerprint()?);
        if self.is_there() && stamp.is_current() {
            return Ok(Work::Unchanged);
        }
        stamp.clear()?;
        if self.staging.exists() {
            fs::remove_dir_all(&self.staging).with_context(|| format!("removing {}", self.staging.display()))?;
        }
        fs::create_dir_all(&self.staging).with_context(|| format!("creating {}", self.staging.display()))?;
        // `wasm-opt` would make the module smaller, but by inlining, so that the compressed one becomes a tenth larger.
        let commands = VecDeque::from([self.cargo(), self.bindgen(), self.esbuild()]);
        let finish = move || {
            self.put_in_place()?;
            stamp.write()
        };
        Ok(Work::Commands(commands, Box::new(finish)))
    }

    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprint = Fingerprint::default().fact(&std::env::var(VERSION_VARIABLE).unwrap_or_default());
        for source in SOURCES {
            fingerprint = fingerprint.fact(source).path(&self.workspace.path(source))?;
        }
        Ok(fingerprint)
    }

    fn cargo(&self) -> Command {
        let mut command = self.tools.cargo_build();
        command.args(["--package", "edge", "--lib", "--target", pins::WASM_TARGET]);
        command.args(match self.flavour {
            Flavour::Quick => ["--features", "development"],
            Flavour::Release => ["--profile", "edge"],
        });
        command
    }

    fn bindgen(&self) -> Command {
        let profile = match self.flavour {
            Flavour::Quick => "debug",
            Flavour::Release => "edge",
        };
        let module = self.workspace.target().join(pins::WASM_TARGET).join(profile).join("edge.wasm");
        let mut command = Command::new(Program::WorkerBindgen.path(self.workspace, Flavour::Quick));
        command.arg(module).arg(&self.staging);
        command
    }

    fn esbuild(&self) -> Command {
        let mut command = self.tools.command("esbuild");
        command.current_dir(&self.staging);
        command.args(["./index.js", "--bundle", "--format=esm", "--outfile=bundle.js", "--log-level=warning"]);
        command.args(["--external:./index_bg.wasm", "--external:cloudflare:*"]);
        if self.flavour == Flavour::Release {
            command.arg("--minify");
        }
        command
    }

    fn put_in_place(&self) -> Result<()> {
        let read = |name: &str| fs::read(self.staging.join(name)).with_context(|| format!("reading {name}"));
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))?;
        let glue = String::from_utf8(read("bundle.js")?).context("reading bundle.js")?;
        write(&self.folder.join("index.js"), without_source_phase(&glue).as_bytes())?;
        write(&self.folder.join("index_bg.wasm"), &read("index_bg.wasm")?)
    }
}

/// workerd and wrangler provide the module under a plain import; they do not support the proposal `import source` yet.
fn without_source_phase(glue: &str) -> String {
    glue.replace("import source ", "import ")
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
