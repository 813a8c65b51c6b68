//! Checks that no file names a path on a developer's machine or a package mirror.

use super::Offence;

/// Written in two halves, so that this file passes its own check.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
];

/// Hosts that a lockfile or a note may pick up from the machine that wrote it.
const REGISTRY_HOSTS: &[&str] =
    &[concat!("registry.npm", "js.org"), concat!("index.crates", ".io"), concat!("static.crates", ".io")];

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut offend = |what| offences.push(Offence { file: file.to_owned(), line: index + 1, what });
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path)) {
            offend(format!("names {path}, a place on one machine"));
        }
        if REGISTRY_HOSTS.iter().any(|host| line.contains(host)) {
            offend("names a package registry's host".to_owned());
        }
        if file.ends_with("package-lock.json") && line.trim_start().starts_with("\"resolved\": \"http") {
            offend("names where a package was downloaded from (npm's omit-lockfile-registry-resolved)".to_owned());
        }
    }
    offences
}

/// A path begins a word; the same letters inside a URL or a longer path do not count.
fn names_path(line: &str, path: &str) -> bool {
    let begins_word = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"/._-}>*$)".contains(c))
    };
    line.match_indices(path).any(|(at, _)| begins_word(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_one_machine_is_an_offence() {
        for path in MACHINE_PATHS {
            assert_eq!(check("a.md", &format!("look at `{path}x`")).len(), 1);
            assert_eq!(check("a.md", &format!("{path}x")).len(), 1);
            assert_eq!(check("a.md", &format!("https://example.org{path}x")).len(), 0);
            assert_eq!(check("a.rs", &format!("src{path}x.rs")).len(), 0);
        }
    }

    #[test]
    fn a_lockfile_names_no_host() {
        assert_eq!(check("package-lock.json", "  \"resolved\": \"https://example.org/a.tgz\",").len(), 1);
        assert_eq!(check("package-lock.json", "  \"resolved\": \"client/sdk\",").len(), 0);
        assert_eq!(check("Cargo.lock", REGISTRY_HOSTS[1]).len(), 1);
    }
}
