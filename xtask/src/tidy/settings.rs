//! Checks that the tables of docs/operations.md list exactly the programs' settings, with their defaults.

use std::collections::{BTreeMap, BTreeSet};

use super::Offence;

pub(super) const PAGE: &str = "docs/operations.md";

pub(super) const SOURCES: [&str; 6] = [
    "media-node/src/config.rs",
    "media-node/src/config/bandwidth.rs",
    "media-node/src/config/recording.rs",
    "turn-node/src/config.rs",
    "edge/src/auth.rs",
    "wrangler.toml",
];

/// Compares the page with the sources, which are pairs of a file and its text.
pub(super) fn check(page: &str, sources: &[(&str, String)]) -> Vec<Offence> {
    let rows = rows(page);
    let mut known = BTreeSet::new();
    let mut offences = Vec::new();
    for (file, text) in sources {
        for Setting { name, default, line } in settings(file, text) {
            let what = match (rows.get(name), default) {
                (None, _) => Some(format!("{name} is in no table of {PAGE}")),
                (Some((_, row)), Some(default)) if !row.contains(&format!("`{default}`")) => {
                    Some(format!("the default {default} of {name} is not in its row of {PAGE}"))
                }
                (Some(_), _) => None,
            };
            offences.extend(what.map(|what| Offence { file: (*file).to_owned(), line, what }));
            known.insert(name);
        }
    }
    let strange = rows.iter().filter(|(name, _)| !known.contains(*name));
    offences.extend(strange.map(|(name, (line, _))| Offence {
        file: PAGE.to_owned(),
        line: *line,
        what: format!("no program has the setting {name}"),
    }));
    offences
}

struct Setting<'a> {
    name: &'a str,
    default: Option<&'a str>,
    line: usize,
}

/// Finds a setting in a line: its name and its default.
type ReadSetting<'a> = fn(&'a str) -> Option<(&'a str, Option<&'a str>)>;

fn settings<'a>(file: &str, text: &'a str) -> Vec<Setting<'a>> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let setting: ReadSetting<'a> = if file.contains("/config") {
        |line| {
            let default = after(line, "default_value = \"").filter(|default| !default.is_empty());
            Some((after(line, "env = \"")?, default))
        }
    } else if file.ends_with(".rs") {
        |line| Some((after(line, "_KEYS: &str = \"")?, None))
    } else {
        |line| {
            let name = line.split(" = ").next().filter(|name| line.contains(" = ") && is_name(name))?;
            Some((name, None))
        }
    };
    let found = lines.filter_map(|(line, text)| setting(text).map(|(name, default)| Setting { name, default, line }));
    found.collect()
}

/// The text between `start` and the next quote.
fn after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.split_once(start)?.1.split('"').next()
}

/// The page's table rows for settings, by setting, with their lines.
fn rows(page: &str) -> BTreeMap<&str, (usize, &str)> {
    let mut rows = BTreeMap::new();
    for (index, row) in page.lines().enumerate() {
        let first = row.strip_prefix("| ").and_then(|row| row.split(" | ").next()).unwrap_or_default();
        let names = first.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'));
        rows.extend(names.filter(|name| is_name(name)).map(|name| (name, (index + 1, row))));
    }
    rows
}

fn is_name(text: &str) -> bool {
    text.len() > 3
        && text.contains('_')
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        || text == "REGIONS"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#[arg(long, env = \"MEDIA_LISTEN\", value_name = \"A\", default_value = \"0.0.0.0:7000\")]";

    fn check_page(page: &str, expected: &[&str]) {
        let found = check(page, &[("media-node/src/config.rs", SOURCE.to_owned())]);
        let told: Vec<_> = found.iter().map(|offence| offence.what.as_str()).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_setting_is_listed_with_its_default() {
        check_page("| `MEDIA_LISTEN` | `0.0.0.0:7000` | where |", &[]);
        check_page("", &["MEDIA_LISTEN is in no table of docs/operations.md"]);
        let stale = "the default 0.0.0.0:7000 of MEDIA_LISTEN is not in its row of docs/operations.md";
        check_page("| `MEDIA_LISTEN` | `0.0.0.0:9` | where |", &[stale]);
    }

    #[test]
    fn what_nobody_reads_is_not_listed() {
        let page = "| `MEDIA_LISTEN` | `0.0.0.0:7000` | a |\n| `MEDIA_LISTN` | | b |\n| `turn_drops` | | c |";
        check_page(page, &["no program has the setting MEDIA_LISTN"]);
    }

    #[test]
    fn secrets_and_vars_of_the_worker_are_found() {
        let names = |file, text| settings(file, text).iter().map(|setting| setting.name).collect::<Vec<_>>();
        assert_eq!(names("edge/src/auth.rs", "const API_KEYS: &str = \"API_KEYS\";"), ["API_KEYS"]);
        assert_eq!(
            names("wrangler.toml", "REGIONS = '{}'\nname = \"x\"\n# A_B = 1\nICE_SERVERS = ''"),
            ["REGIONS", "ICE_SERVERS"]
        );
    }
}
