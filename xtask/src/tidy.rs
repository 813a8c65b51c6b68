//! `cargo xtask tidy`: the style rules that a program can check; all offences are listed together.

mod circles;
mod columns;
mod echoes;
mod layers;
mod lines;
mod links;
mod metrics;
mod paths;
mod settings;
mod skips;
mod source;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offence {
    file: String,
    /// Counted from 1.
    line: usize,
    what: String,
}

/// Checks every file that git knows or would know.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = workspace.files()?;
    let mut offences = lines::check_exemptions(&files);
    let (mut client, mut room) = (BTreeMap::new(), BTreeMap::new());
    let metrics = known_metrics(workspace)?;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(workspace.path(file)) else { continue }; // Not a text file.
        offences.extend(lines::check(file, &text));
        offences.extend(paths::check(file, &text));
        offences.extend(columns::check(file, &text));
        offences.extend(echoes::check(file, &text));
        offences.extend(words::check(file, &text));
        offences.extend(skips::check(file, &text));
        offences.extend(links::check(file, &text, |target| workspace.path(target).exists()));
        offences.extend(metrics::check(file, &text, &metrics));
        if circles::concerns(file) {
            client.insert(file.clone(), text);
        } else if layers::concerns(file) {
            room.insert(file.clone(), text);
        }
    }
    offences.extend(circles::check(&client));
    offences.extend(layers::check(&room));
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

fn known_metrics(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for file in metrics::SOURCES {
        let text = std::fs::read_to_string(workspace.path(file)).with_context(|| format!("reading {file}"))?;
        known.extend(metrics::names(&text));
    }
    Ok(known)
}

fn check_settings(workspace: &Workspace) -> Result<Vec<Offence>> {
    let read = |file: &str| std::fs::read_to_string(workspace.path(file)).with_context(|| format!("reading {file}"));
    let sources: Result<Vec<_>> = settings::SOURCES.into_iter().map(|file| Ok((file, read(file)?))).collect();
    Ok(settings::check(&read(settings::PAGE)?, &sources?))
}

#[cfg(test)]
mod tests {
    // Holds S3-TEST-02.
    #[test]
    fn the_licence_is_mit_everywhere() {
        assert!(include_str!("../../LICENSE").starts_with("MIT License\n"));
        assert!(include_str!("../../Cargo.toml").contains("\nlicense = \"MIT\"\n"));
        for package in [include_str!("../../client/sdk/package.json"), include_str!("../../client/react/package.json")]
        {
            assert!(package.contains("\"license\": \"MIT\""));
        }
    }
}
