//! Checks that relative links in Markdown files lead to existing files.

use super::Offence;

/// Checks one file; `exists` gets paths from the repository root.
pub(crate) fn check(file: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Offence> {
    let folder = match (file.ends_with(".md"), file.rsplit_once('/')) {
        (false, _) => return Vec::new(),
        (true, Some((folder, _))) => folder,
        (true, None) => "",
    };
    let mut offences = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        let broken = targets(line).filter(|_| !in_code).filter(|target| !exists(&resolve(folder, target)));
        let offence =
            |target| Offence { file: file.to_owned(), line: index + 1, what: format!("{target} does not exist") };
        offences.extend(broken.map(offence));
    }
    offences
}

/// The relative targets of `[text](target)`, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split([')', '#', ' ']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// A path from the repository root, from one relative to `folder`.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, expected: usize) {
        let known = ["README.md", "docs/protocol.md", "shared/src"];
        let found = check("docs/a.md", text, |path| known.contains(&path));
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn links_are_followed_from_the_file_they_are_in() {
        check_text("[a](protocol.md) and [b](../README.md#map), [c](../shared/src/)", 0);
        check_text("[a](README.md) and ![b](missing.png)", 2);
    }

    #[test]
    fn addresses_anchors_and_code_are_not_followed() {
        check_text("[a](https://example.org/x) [b](#here) [c](mailto:x@example.org)", 0);
        check_text("```\n[a](nowhere)\n```\n", 0);
    }
}
