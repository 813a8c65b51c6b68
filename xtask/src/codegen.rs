//! `cargo xtask codegen`: writes the client's protocol types, its parser and the OpenAPI document, all from the crate
//! that defines them, the Terraform environments, and the acceptance page.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::EVERYTHING_NATIVE;
use crate::setup::Tools;
use crate::workspace::Workspace;
use crate::{acceptance, progress, terraform, xdp};

struct Generated {
    path: &'static str,
    about: &'static str,
    /// The example of `shared` that prints it.
    example: &'static str,
    /// The feature of `shared` that the example needs.
    feature: &'static str,
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "client/sdk/src/protocol.gen.ts",
        about: "protocol types",
        example: "typescript",
        feature: "typescript",
    },
    Generated { path: "client/sdk/src/parse.gen.ts", about: "parser", example: "parser", feature: "openapi" },
    Generated { path: "docs/openapi.json", about: "OpenAPI document", example: "openapi", feature: "openapi" },
];

/// Writes the files; with `check`, fails if one is stale.
pub(crate) fn run(workspace: &Workspace, tools: &Tools, check: bool) -> Result<()> {
    for generated in GENERATED {
        keep(workspace, generated.path, &generate(workspace, tools, generated)?, check)?;
    }
    for (path, text) in terraform::pages(workspace)? {
        keep(workspace, &path, &text, check)?;
    }
    if check {
        xdp::check(workspace, tools)?;
    }
    keep(workspace, acceptance::PAGE, &acceptance::page(workspace)?, check)
}

fn keep(workspace: &Workspace, path: &str, fresh: &str, check: bool) -> Result<()> {
    let file = workspace.path(path);
    let stale = fs::read_to_string(&file).map_or(true, |stored| stored != fresh);
    match (stale, check) {
        (false, _) => Ok(()),
        (true, true) => bail!("{path} is stale: run `cargo xtask codegen` and commit what it writes"),
        (true, false) => fs::write(&file, fresh).with_context(|| format!("writing {path}")),
    }
}

fn generate(workspace: &Workspace, tools: &Tools, generated: &Generated) -> Result<String> {
    let Generated { about, example, feature, .. } = generated;
    let mut build = tools.cargo();
    build.args(["build", "--quiet"]).args(EVERYTHING_NATIVE);
    build.args(["--features", &format!("shared/{feature}"), "--example", example]);
    progress::run(workspace, about, &mut build)?;
    let program = workspace.target().join("debug/examples").join(example);
    let output = Command::new(program).output().with_context(|| format!("starting the example {example}"))?;
    if !output.status.success() {
        bail!("generating {about} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{about}: not UTF-8"))
}
