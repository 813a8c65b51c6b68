//! Checks that the files of the room core use each other in one direction: a file may use only layers below its own,
//! and no file uses itself through others.

use std::collections::{BTreeMap, BTreeSet};

use super::Offence;
use super::circles::{Import, walk};
use super::source::{Language, blank, line_of};

/// The folder of the crate's root module.
const CRATE: &str = "edge/core/src/";
const ROOM: &str = "room";
/// From the lowest to the highest; whatever is not named is part of the room itself, above all of them.
const LAYERS: [&str; 6] = ["state", "asks", "outbox", "context", "handle", "publish"];

pub(crate) fn concerns(file: &str) -> bool {
    module(file).is_some()
}

/// Checks all files together, each with its text.
pub(crate) fn check(files: &BTreeMap<String, String>) -> Vec<Offence> {
    let modules: BTreeMap<String, String> =
        files.keys().filter_map(|file| Some((module(file)?, file.clone()))).collect();
    let imports: BTreeMap<String, Vec<Import>> =
        files.iter().map(|(file, text)| (file.clone(), imports(file, text, &modules))).collect();
    let mut offences = walk(imports.clone());
    for (file, imports) in &imports {
        let upwards = imports.iter().filter(|(target, _)| layer(file) < layer(target));
        offences.extend(upwards.map(|(target, line)| Offence {
            file: file.clone(),
            line: *line,
            what: format!("uses {target}, which is in a higher layer"),
        }));
    }
    offences
}

/// `room::handle::join` for the file of that module.
fn module(file: &str) -> Option<String> {
    let path = file.strip_prefix(CRATE)?.strip_suffix(".rs")?;
    let is_room = path == ROOM || path.strip_prefix(ROOM).is_some_and(|rest| rest.starts_with('/'));
    is_room.then(|| path.replace('/', "::"))
}

fn layer(file: &str) -> usize {
    let module = module(file).unwrap_or_default();
    let name = module.split("::").nth(1).unwrap_or_default();
    LAYERS.iter().position(|layer| *layer == name).unwrap_or(LAYERS.len())
}

/// The files that a file uses, each once. Unit tests may use whatever they like.
fn imports(file: &str, text: &str, modules: &BTreeMap<String, String>) -> Vec<Import> {
    let own = module(file).unwrap_or_default();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (path, line) in paths(code) {
        let target = absolute(&own, &path, modules).and_then(|path| file_of(&path, modules));
        if let Some(target) = target.filter(|target| target != file) {
            found.entry(target).or_insert(line);
        }
    }
    found.into_iter().collect()
}

/// The path from the crate's root; `None` for a path that leads elsewhere.
fn absolute(own: &str, path: &[String], modules: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let mut from: Vec<String> = own.split("::").map(str::to_owned).collect();
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => return Some(rest.to_vec()),
        "self" => {}
        "super" => {
            from.pop();
            let supers = rest.iter().take_while(|part| *part == "super").count();
            from.truncate(from.len().saturating_sub(supers));
            from.extend(rest.iter().skip(supers).cloned());
            return Some(from);
        }
        child => {
            from.push(child.to_owned());
            modules.contains_key(&from.join("::")).then_some(())?;
        }
    }
    from.extend(rest.iter().cloned());
    Some(from)
}

/// The file of the innermost module on a path.
fn file_of(path: &[String], modules: &BTreeMap<String, String>) -> Option<String> {
    (1..=path.len()).rev().find_map(|length| modules.get(&path.get(..length)?.join("::")).cloned())
}

/// All paths of more than one part, with their lines; `a::{b, c}` counts as two.
fn paths(code: &str) -> Vec<(Vec<String>, usize)> {
    let source = blank(code, Language::Rust);
    let mut found = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let mut tree = BTreeSet::new();
        let start = at;
        at = read_path(&source, at, &mut Vec::new(), &mut tree).max(at + 1);
        found.extend(tree.into_iter().filter(|path| path.len() > 1).map(|path| (path, line_of(&source, start))));
    }
    found
}

/// Reads `a::b` or `a::{b, c::d}` after a prefix, and returns the place behind it.
fn read_path(source: &[char], mut at: usize, prefix: &mut Vec<String>, found: &mut BTreeSet<Vec<String>>) -> usize {
    let depth = prefix.len();
    let mut has_part = false;
    loop {
        let part: String = source.iter().skip(at).take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        if part.is_empty() {
            break;
        }
        at += part.chars().count();
        has_part = true;
        // `{self, a}` names the module before the braces.
        if part != "self" || prefix.is_empty() {
            prefix.push(part);
        }
        if source.get(at..at + 2) != Some(&[':', ':']) {
            break;
        }
        at += 2;
        if source.get(at) == Some(&'{') {
            at += 1;
            while source.get(at).is_some_and(|c| *c != '}') {
                at = read_path(source, at, prefix, found).max(at + 1);
            }
            prefix.truncate(depth);
            return at + 1;
        }
    }
    if has_part {
        found.insert(prefix.clone());
    }
    prefix.truncate(depth);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let files = files.iter().map(|(file, text)| (format!("edge/core/src/{file}"), (*text).to_owned())).collect();
        let found: Vec<_> = check(&files).iter().map(|o| format!("{}:{} {}", o.file, o.line, o.what)).collect();
        let expected: Vec<_> = expected.iter().map(|line| line.replace("room", "edge/core/src/room")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_direction_is_allowed() {
        check_files(
            &[
                (
                    "room.rs",
                    "mod handle;\nmod state;\npub use state::members::Member;\nfn a() { handle::join::join() }",
                ),
                ("room/handle.rs", "pub mod join;\nfn a() { join::join(crate::room::state::State) }"),
                (
                    "room/handle/join.rs",
                    "use crate::room::handle::{leave, serve};\nuse crate::room::state::{self, State};\n",
                ),
                ("room/handle/serve.rs", ""),
                ("room/handle/leave.rs", "use crate::room::state::{State, members::Member};\n"),
                (
                    "room/state.rs",
                    "mod members;\nuse crate::room::state::members::Member;\n// crate::room::handle::a\n",
                ),
                ("room/state/members.rs", "use std::a::b;\n#[cfg(test)]\nmod tests {\n    use crate::room::Room;\n}\n"),
            ],
            &[],
        );
    }

    #[test]
    fn a_circle_within_a_layer_is_found() {
        check_files(
            &[
                ("room/handle/join.rs", "\nuse super::leave;\n"),
                ("room/handle/leave.rs", "fn a() {\n    crate::room::handle::join::b();\n}\n"),
            ],
            &[
                "room/handle/leave.rs:2 imports in a circle: room/handle/join.rs → room/handle/leave.rs → room/handle/join.rs",
            ],
        );
    }

    #[test]
    fn a_higher_layer_is_out_of_reach() {
        check_files(
            &[
                ("room.rs", ""),
                ("room/outbox.rs", "use crate::{\n    room::handle::join::join,\n};\n"),
                ("room/handle/join.rs", "use super::super::Room;\n"),
                ("room/state.rs", "use crate::room::asks::Ask;\n"),
                ("room/asks.rs", ""),
            ],
            &[
                "room/handle/join.rs:1 uses room.rs, which is in a higher layer",
                "room/outbox.rs:1 uses room/handle/join.rs, which is in a higher layer",
                "room/state.rs:1 uses room/asks.rs, which is in a higher layer",
            ],
        );
    }
}
