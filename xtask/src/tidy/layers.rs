//! Checks that no file of the cores uses itself through others, and that layers use each other in one direction.

use std::collections::{BTreeMap, BTreeSet};

use super::Offence;
use super::circles::{Import, walk};
use super::source::{Language, blank, line_of};

/// The folders of the crates' root modules.
const CRATES: [&str; 3] = ["edge/core/src/", "media-node/core/src/", "media-node/src/"];
/// The part of the edge's core that is checked.
const ROOM: &str = "edge/core/src/room";
/// The room's modules from the lowest to the highest; whatever is not named is part of the room itself, above all.
const LAYERS: [&str; 6] = ["state", "asks", "outbox", "context", "handle", "publish"];
/// Folders, and the folders that they know nothing of.
const STRANGERS: [(&str, &str); 6] = [
    ("media-node/core/src/ingress", "media-node/core/src/egress"),
    ("media-node/core/src/ingress", "media-node/core/src/sfu"),
    ("media-node/core/src/egress", "media-node/core/src/sfu"),
    ("media-node/core/src/record", "media-node/core/src/egress"),
    ("media-node/core/src/record", "media-node/core/src/ingress"),
    ("media-node/core/src/record", "media-node/core/src/sfu"),
];

/// The modules of a crate, each with its file.
type Modules = BTreeMap<String, String>;

/// The folder with a file for each request.
const HANDLERS: &str = "edge/core/src/room/handle/";
/// The most files of [`HANDLERS`] through which a request may lead, and those for muting; may only go down.
const REACH_MAX: usize = 12;
const REACH_OF_MUTE: (&str, usize) = ("edge/core/src/room/handle/mute.rs", 1);
/// Lists of all verbs, of which a request takes one.
const LISTS_OF_VERBS: [&str; 2] = ["edge/core/src/room/handle/api.rs", "edge/core/src/room/handle/moderate.rs"];

pub(crate) fn concerns(file: &str) -> bool {
    let is_in_test = file.contains("/tests/") || file.ends_with("/tests.rs");
    module(file).is_some() && !is_in_test && (!file.starts_with("edge/") || is_part(file, ROOM))
}

/// Checks all files together, each with its text.
pub(crate) fn check(files: &BTreeMap<String, String>) -> Vec<Offence> {
    let mut imports = BTreeMap::new();
    for root in CRATES {
        let of_crate = || files.iter().filter(|(file, _)| file.starts_with(root));
        let modules: Modules = of_crate().filter_map(|(file, _)| Some((module(file)?, file.clone()))).collect();
        imports.extend(of_crate().map(|(file, text)| (file.clone(), imports_of(file, text, &modules))));
    }
    let mut offences = walk(imports.clone());
    for (file, imports) in &imports {
        let forbidden = imports.iter().filter_map(|(target, line)| Some((forbidden(file, target)?, *line)));
        offences.extend(forbidden.map(|(what, line)| Offence { file: file.clone(), line, what }));
    }
    offences.extend(imports.keys().filter_map(|file| far_reaching(file, &imports)));
    offences
}

/// The reason why a file may not use another.
fn forbidden(file: &str, target: &str) -> Option<String> {
    if is_part(file, ROOM) {
        return (layer(file) < layer(target)).then(|| format!("uses {target}, which is in a higher layer"));
    }
    let is_strange = |(of, stranger): &&(&str, &str)| is_part(file, of) && is_part(target, stranger);
    STRANGERS
        .iter()
        .find(is_strange)
        .map(|(of, stranger)| format!("uses {target}, but {of} knows nothing of {stranger}"))
}

/// True for the file of a module, and for those in its folder.
fn is_part(file: &str, of: &str) -> bool {
    file.strip_prefix(of).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

/// A request that leads through so many files that nobody can follow it.
fn far_reaching(file: &str, imports: &BTreeMap<String, Vec<Import>>) -> Option<Offence> {
    let mut reached = BTreeSet::new();
    let mut left = vec![file.strip_prefix(HANDLERS).map(|_| file)?];
    while let Some(file) = left.pop() {
        if reached.insert(file) {
            let used = imports.get(file).into_iter().flatten().map(|(target, _)| target.as_str());
            left.extend(used.filter(|target| target.starts_with(HANDLERS)));
        }
    }
    let most = if file == REACH_OF_MUTE.0 { REACH_OF_MUTE.1 } else { REACH_MAX };
    let what = format!("leads through {} files of its folder, itself included; at most {most}", reached.len());
    (reached.len() > most && !LISTS_OF_VERBS.contains(&file)).then(|| Offence { file: file.to_owned(), line: 1, what })
}

/// `room::handle::join` for the file of that module.
fn module(file: &str) -> Option<String> {
    let path = CRATES.iter().find_map(|root| file.strip_prefix(root))?.strip_suffix(".rs")?;
    (path != "lib" && path != "main").then(|| path.replace('/', "::"))
}

fn layer(file: &str) -> usize {
    let module = module(file).unwrap_or_default();
    let name = module.split("::").nth(1).unwrap_or_default();
    LAYERS.iter().position(|layer| *layer == name).unwrap_or(LAYERS.len())
}

/// The files that a file uses, each once. Unit tests may use whatever they like.
fn imports_of(file: &str, text: &str, modules: &Modules) -> Vec<Import> {
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
fn absolute(own: &str, path: &[String], modules: &Modules) -> Option<Vec<String>> {
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
fn file_of(path: &[String], modules: &Modules) -> Option<String> {
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
    fn a_request_that_leads_through_many_files_is_found() {
        let name = |number: usize| format!("room/handle/h{}.rs", char::from(b'a' + number as u8));
        let text = |number: usize| format!("use super::h{};", char::from(b'a' + number as u8 + 1));
        let chain: Vec<_> = (0..=REACH_MAX).map(|number| (name(number), text(number))).collect();
        let mut files: Vec<_> = chain.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        files.push(("room/handle/mute.rs", "use super::ha;"));
        let of_mute = format!("room/handle/mute.rs:1 leads through {} files", REACH_MAX + 2);
        check_files(
            &files,
            &[
                "room/handle/ha.rs:1 leads through 13 files of its folder, itself included; at most 12",
                &format!("{of_mute} of its folder, itself included; at most 1"),
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

    #[test]
    fn folders_that_know_nothing_of_each_other() {
        let files = [
            ("sfu.rs", "mod egress;\nuse crate::egress::rounds::Egress;\nuse crate::ingress::stream::Stream;\n"),
            ("sfu/egress.rs", "use super::Sfu;\nuse crate::egress::rounds::Egress;\n"),
            ("egress/rounds.rs", "use crate::ingress::stream::Stream;\nuse super::slot;\n"),
            ("egress/slot.rs", ""),
            ("ingress/stream.rs", "\nuse crate::egress::slot;\nuse crate::record::tap::Tap;\n"),
            ("record/tap.rs", "fn a(sfu: &crate::sfu::Sfu) {}\n"),
        ];
        let files = files.map(|(file, text)| (format!("media-node/core/src/{file}"), text.to_owned()));
        let found: Vec<_> = check(&BTreeMap::from(files)).into_iter().map(|o| (o.file, o.line, o.what)).collect();
        let core = "media-node/core/src";
        let found: Vec<_> = found.into_iter().filter(|(_, _, what)| !what.contains("circle")).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        let knows = |file: &str, line, target: &str, of: &str, stranger: &str| {
            let what = format!("uses {core}/{target}, but {core}/{of} knows nothing of {core}/{stranger}");
            (format!("{core}/{file}"), line, what)
        };
        assert!(found.contains(&knows("ingress/stream.rs", 2, "egress/slot.rs", "ingress", "egress")), "{found:?}");
        assert!(found.contains(&knows("record/tap.rs", 1, "sfu.rs", "record", "sfu")), "{found:?}");
    }

    #[test]
    fn crates_are_separate_and_tests_are_not_concerned() {
        let files = [
            ("media-node/src/record.rs", "use crate::shard::Shard;\n"),
            ("media-node/core/src/shard.rs", "use crate::record::Record;\n"),
            ("media-node/core/src/record.rs", ""),
        ];
        let files = BTreeMap::from(files.map(|(file, text)| (file.to_owned(), text.to_owned())));
        assert_eq!(check(&files), []);
        assert!(concerns("media-node/core/src/sfu.rs") && concerns("edge/core/src/room/state.rs"));
        assert!(!concerns("media-node/core/src/sfu/tests.rs") && !concerns("media-node/core/src/sfu/tests/world.rs"));
        assert!(!concerns("edge/core/src/fleet.rs") && !concerns("media-node/src/main.rs"));
    }
}
