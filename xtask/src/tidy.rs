//! `cargo xtask tidy`: the rules of style that a program can check; every offence is told at once.

mod acceptance;
mod lines;
mod links;
mod paths;
mod settings;
mod source;

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offence {
    /// Where.
    file: String,
    /// On which line, counted from 1.
    line: usize,
    /// What.
    what: String,
}

/// Checks every file that git knows or would know.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = tracked_files(workspace)?;
    let mut offences = lines::check_exemptions(&files);
    let mut tests = BTreeSet::new();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(workspace.path(file)) else { continue }; // Not text: nothing to read.
        offences.extend(lines::check(file, &text));
        offences.extend(paths::check(file, &text));
        tests.extend(acceptance::tests(file, &text).into_iter().map(str::to_owned));
        offences.extend(links::check(file, &text, |target| workspace.path(target).exists()));
    }
    let page = std::fs::read_to_string(workspace.path(acceptance::PAGE)).context("reading docs/acceptance.md")?;
    offences.extend(acceptance::check(&page, &tests));
    offences.extend(check_settings(workspace)?);
    for Offence { file, line, what } in &offences {
        println!("    {file}:{line}: {what}");
    }
    match offences.len() {
        0 => Ok(()),
        1 => bail!("one rule of style is broken"),
        count => bail!("{count} rules of style are broken"),
    }
}

fn check_settings(workspace: &Workspace) -> Result<Vec<Offence>> {
    let read = |file: &str| std::fs::read_to_string(workspace.path(file)).with_context(|| format!("reading {file}"));
    let sources: Result<Vec<_>> = settings::SOURCES.into_iter().map(|file| Ok((file, read(file)?))).collect();
    Ok(settings::check(&read(settings::PAGE)?, &sources?))
}

fn tracked_files(workspace: &Workspace) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace.root())
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
