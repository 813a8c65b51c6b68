//! The signing secrets of a developer's machine: created once, readable only by their owner.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// Names of the Worker's secrets.
const NAMES: [&str; 4] = ["TOKEN_KEYS", "NODE_KEYS", "TURN_KEYS", "API_KEYS"];

/// RFC 7518 §3.2: a key for HS256 has at least the size of the hash.
const SECRET_BYTES: usize = 32;

pub(crate) fn file(state: &Path) -> PathBuf {
    state.join("dev.env")
}

pub(crate) fn named<'a>(secrets: &'a [(String, String)], wanted: &str) -> &'a str {
    secrets.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
}

/// Reads `dev.env`, and adds missing secrets.
pub(crate) fn read_or_create(state: &Path) -> Result<Vec<(String, String)>> {
    let path = file(state);
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
    let file = file.as_mut().map_err(|error| anyhow!("opening {}: {error}", path.display()))?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("reading {}", path.display()))?;
    let missing = missing(&text)?;
    file.write_all(missing.as_bytes()).with_context(|| format!("writing {}", path.display()))?;
    Ok(parse(&(text + &missing)))
}

/// The lines that a file lacks: all of them, or those of newer programs.
fn missing(text: &str) -> Result<String> {
    let mut lines = String::new();
    if text.is_empty() {
        lines.push_str("# Secrets of this machine's development environment; delete the file to create new ones.\n");
    }
    let known = parse(text);
    for name in NAMES.into_iter().filter(|name| !known.iter().any(|(known, _)| known == name)) {
        lines.push_str(&format!("{name}=dev:{}\n", random_hex()?));
    }
    Ok(lines)
}

fn random_hex() -> Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("reading /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn parse(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn secrets_are_made_once_and_nobody_else_may_read_them() {
        let state = std::env::temp_dir().join(format!("rotunda-secrets-{}", std::process::id()));
        fs::create_dir_all(&state).expect("a temporary folder");
        let first = read_or_create(&state).expect("new secrets");
        assert_eq!(first, read_or_create(&state).expect("the same ones"));
        assert_ne!(first[0].1, first[1].1);
        let mode = fs::metadata(state.join("dev.env")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&state).expect("the folder to go");
    }

    #[test]
    fn what_an_older_file_lacks_is_added_and_the_rest_stays() {
        let older = "# old\nTOKEN_KEYS=dev:1\nNODE_KEYS=dev:2\n";
        let added = missing(older).expect("randomness");
        assert!(added.starts_with("TURN_KEYS=dev:") && added.lines().count() == NAMES.len() - 2, "{added}");
        assert_eq!(missing(&(older.to_owned() + &added)).expect("randomness"), "");
    }

    #[test]
    fn comments_are_no_secrets() {
        assert_eq!(parse("# A=1\nB=c:d=e\n"), [("B".to_owned(), "c:d=e".to_owned())]);
    }
}
