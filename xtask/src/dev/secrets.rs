//! The signing secrets of a developer's machine: made once, readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The Worker's secrets, by name.
const NAMES: [&str; 2] = ["TOKEN_KEYS", "NODE_KEYS"];

/// RFC 7518 §3.2: a key for HS256 has at least the size of the hash.
const SECRET_BYTES: usize = 32;

/// Reads `dev.env`, and makes it where there is none.
pub(crate) fn read_or_create(state: &Path) -> Result<Vec<(String, String)>> {
    let file = state.join("dev.env");
    if !file.exists() {
        create(&file)?;
    }
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let secrets = parse(&text);
    for name in NAMES {
        if !secrets.iter().any(|(known, _)| known == name) {
            bail!("{} lacks {name}: delete the file to have a new one made", file.display());
        }
    }
    Ok(secrets)
}

fn create(file: &Path) -> Result<()> {
    let mut text =
        String::from("# Secrets of this machine's development environment; delete the file to have new ones.\n");
    for name in NAMES {
        text.push_str(&format!("{name}=dev:{}\n", random_hex()?));
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).context("creating dev.env")?;
    file.write_all(text.as_bytes()).context("writing dev.env")
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
    fn comments_are_no_secrets() {
        assert_eq!(parse("# A=1\nB=c:d=e\n"), [("B".to_owned(), "c:d=e".to_owned())]);
    }
}
