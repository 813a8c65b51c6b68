//! The step `delivery`: licences and sources of crates, container recipes, scripts, and the pipeline on GitHub.

use anyhow::{Result, ensure};

use super::Run;
use crate::{progress, setup};

const CONTAINERS: &str = "docs/containers";

pub(super) fn run(run: &mut Run<'_>) -> Result<()> {
    let linters = setup::for_delivery(run.tools)?;
    // Advisories are checked by CI: their database is on another server.
    let mut deny = run.tools.command(&linters.cargo_deny.to_string_lossy());
    deny.args(["--color", "never", "check", "licenses", "bans", "sources"]);
    run.command("cargo-deny", deny)?;
    let files = run.workspace.files()?;
    let is_recipe = |file: &&String| file.starts_with(CONTAINERS) && file.ends_with(".Containerfile");
    let recipes: Vec<&String> = files.iter().filter(is_recipe).collect();
    ensure!(recipes.len() >= 2, "{} Containerfiles were found", recipes.len());
    let mut hadolint = run.tools.command(&linters.hadolint.to_string_lossy());
    hadolint.args(["--no-color", "--failure-threshold", "info"]).args(recipes);
    run.command("hadolint", hadolint)?;
    let mut shellcheck = run.tools.command("shellcheck");
    shellcheck.args(["--color=never"]).args(files.iter().filter(|file| file.ends_with(".sh") || *file == ".ci/run"));
    run.command("shellcheck", shellcheck)?;
    match &linters.actionlint {
        Some(actionlint) => {
            let mut lint = run.tools.command(&actionlint.to_string_lossy());
            lint.arg("-no-color");
            run.command("actionlint", lint)?;
        }
        None => progress::skip("actionlint", "not installed, and no Go to build it with"),
    }
    run.stack()?;
    setup::for_browsers(run.tools)?;
    run.real_script("delivery", |run| run.npm(&["run", "delivery", "--workspace", "tests/browser"]))
}
