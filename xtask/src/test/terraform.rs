//! The step `terraform`: the modules' own tests against a mocked AWS, and static checks of modules.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::Run;
use crate::setup::{self, Checkers};
use crate::{pins, progress};

const FOLDER: &str = "terraform";

pub(super) fn run(run: &mut Run<'_>) -> Result<()> {
    let checkers = setup::for_terraform(run.tools)?;
    run.command("rotunda-host", host_tests(run))?;
    run.command("checkov", checkov(run, &checkers))?;
    let modules = modules(&run.workspace.files()?);
    if modules.len() < 9 {
        bail!("{} Terraform modules were found", modules.len());
    }
    match &checkers.tflint {
        Some(tflint) => lint(run, tflint, &modules)?,
        None => progress::skip("tflint", "not installed, and no Go to build it with"),
    }
    let Some(terraform) = &checkers.terraform else {
        progress::skip("terraform", "not installed: see https://developer.hashicorp.com/terraform/install");
        return Ok(());
    };
    run.command("terraform fmt", command(run, terraform, &["fmt", "-check", "-diff", "-recursive", FOLDER]))?;
    for module in &modules {
        if !test(run, terraform, &checkers, module)? {
            break;
        }
    }
    Ok(())
}

/// `false` if there is no provider to test with.
fn test(run: &mut Run<'_>, terraform: &Path, checkers: &Checkers, module: &str) -> Result<bool> {
    let name = module.rsplit('/').next().unwrap_or(module);
    let chdir = format!("-chdir={module}");
    let mut init = vec![chdir.as_str(), "init", "-backend=false", "-input=false"];
    let plugins = checkers.providers.as_ref().map(|folder| format!("-plugin-dir={}", folder.display()));
    init.extend(plugins.as_deref());
    // Neither the state nor the lock of a deployment is touched: both are in the folder of the module itself.
    let lock = run.workspace.path(module).join(".terraform.lock.hcl");
    let had_lock = lock.exists();
    let mut initialise = in_data(run, command(run, terraform, &init), name);
    let initialised = match plugins {
        Some(_) => run.command(&format!("terraform init {name}"), initialise).map(|()| true),
        // From the registry, if it is reachable.
        None => Ok(initialise.output().is_ok_and(|output| output.status.success())),
    };
    if !initialised? {
        let mirror = "terraform -chdir=terraform/environments/staging providers mirror ~/.terraform.d/plugins";
        progress::skip("terraform test", &format!("no AWS provider {}: run `{mirror}`", pins::AWS_PROVIDER));
        return Ok(false);
    }
    let mut outcome = Ok(());
    for verb in ["validate", "test"] {
        let checked = in_data(run, command(run, terraform, &[&chdir, verb, "-no-color"]), name);
        outcome = outcome.and_then(|()| run.command(&format!("terraform {verb} {name}"), checked));
    }
    if !had_lock && lock.exists() {
        std::fs::remove_file(lock)?;
    }
    outcome.map(|()| true)
}

/// Folders with a module that can be initialised: every folder with a test.
fn modules(files: &[String]) -> Vec<String> {
    let tests = files.iter().filter(|file| file.starts_with(FOLDER) && file.ends_with(".tftest.hcl"));
    let mut modules: Vec<String> = tests.filter_map(|file| Some(file.rsplit_once("/tests/")?.0.to_owned())).collect();
    modules.dedup();
    modules
}

fn command(run: &Run<'_>, program: &Path, arguments: &[&str]) -> Command {
    let mut command = run.tools.command(&program.to_string_lossy());
    // The machine's configuration, or a request to a server, would influence the tests.
    command
        .args(arguments)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1")
        .env_remove("TF_CLI_CONFIG_FILE");
    command
}

/// Keeps the output of `init` out of the sources.
fn in_data(run: &Run<'_>, mut command: Command, name: &str) -> Command {
    command.env("TF_DATA_DIR", run.workspace.state().join(FOLDER).join(name));
    command
}

fn checkov(run: &Run<'_>, checkers: &Checkers) -> Command {
    let mut command =
        command(run, &checkers.checkov, &["--directory", FOLDER, "--config-file", "terraform/.checkov.yaml"]);
    command.env("ANSI_COLORS_DISABLED", "1").env("CHECKOV_RUN_SCA_PACKAGE_SCAN_V2", "false");
    command
}

fn lint(run: &mut Run<'_>, tflint: &Path, modules: &[String]) -> Result<()> {
    let config = run.workspace.path("terraform/.tflint.hcl");
    for module in modules {
        let mut lint = command(run, tflint, &["--no-color", "--chdir", module, "--config"]);
        lint.arg(&config);
        run.command(&format!("tflint {}", module.rsplit('/').next().unwrap_or(module)), lint)?;
    }
    Ok(())
}

fn host_tests(run: &Run<'_>) -> Command {
    let folder = "terraform/modules/fleet/host";
    let mut command = run.tools.command("python3");
    command.args(["-B", "-m", "unittest", "discover", "--start-directory", folder]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn every_module_and_environment_has_a_test() {
        let files = Workspace::locate().and_then(|workspace| workspace.files()).expect("a repository");
        let tested = modules(&files);
        for file in files.iter().filter(|file| file.starts_with(FOLDER) && file.ends_with(".tf")) {
            let module = file.rsplit_once('/').expect("a folder").0;
            assert!(tested.iter().any(|tested| tested == module), "{module} has no test");
        }
        assert!(tested.len() >= 9);
    }
}
