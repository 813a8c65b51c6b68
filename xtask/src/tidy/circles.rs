//! Checks that no file of the client imports itself through others, so that each can be understood before its users.

use std::collections::{BTreeMap, BTreeSet};

use super::Offence;
use super::links::resolve;
use super::source::{Language, blank, line_of};

/// The folder of the packages that may import each other.
const CLIENT: &str = "client/";

/// The checked files of the client: sources, and the packages' descriptions.
pub(crate) fn concerns(file: &str) -> bool {
    let is_source = matches!(file.rsplit_once('.'), Some((_, "ts" | "tsx")));
    file.starts_with(CLIENT) && (is_source || file.ends_with("/package.json"))
}

/// Checks all files together, each with its text. Every circle has at least one offence.
pub(crate) fn check(files: &BTreeMap<String, String>) -> Vec<Offence> {
    let packages = packages(files);
    let imports = |(file, text): (&String, &String)| (file.clone(), imports(file, text, files, &packages));
    let sources = files.iter().filter(|(file, _)| !file.ends_with(".json"));
    walk(sources.map(imports).collect())
}

/// A file that is imported, and the line that does it.
pub(crate) type Import = (String, usize);

/// Finds the circles among the imports of files.
pub(crate) fn walk(imports: BTreeMap<String, Vec<Import>>) -> Vec<Offence> {
    let files: Vec<String> = imports.keys().cloned().collect();
    let mut walk = Walk { imports, ..Walk::default() };
    for file in files {
        walk.visit(&file);
    }
    walk.offences
}

/// The file behind the name of each importable package, from its `exports`.
fn packages(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let descriptions = files.iter().filter_map(|(file, text)| Some((file.strip_suffix("/package.json")?, text)));
    let entry = |(folder, text): (&str, &String)| {
        let description: serde_json::Value = serde_json::from_str(text).ok()?;
        description.get("exports")?;
        Some((description.get("name")?.as_str()?.to_owned(), resolve(folder, "src/index.ts")))
    };
    descriptions.filter_map(entry).collect()
}

/// A file's imports within the client, each once; types count, because a reader follows them too.
fn imports(
    file: &str,
    text: &str,
    files: &BTreeMap<String, String>,
    packages: &BTreeMap<String, String>,
) -> Vec<Import> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (name, line) in names(text) {
        let target = match name.starts_with('.') {
            true => with_ending(&resolve(folder, &name), files),
            false => packages.get(&name).cloned(),
        };
        if let Some(target) = target {
            found.entry(target).or_insert(line);
        }
    }
    found.into_iter().collect()
}

fn with_ending(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let endings = ["", ".ts", ".tsx", "/index.ts", "/index.tsx"];
    endings.iter().map(|ending| format!("{path}{ending}")).find(|file| files.contains_key(file))
}

/// The names behind `from "…"`, `import "…"` and `import("…")`, with their lines.
fn names(text: &str) -> Vec<(String, usize)> {
    let source: Vec<char> = text.chars().collect();
    let blanked = blank(text, Language::TypeScript);
    let word = |at: usize, word: &str| {
        let is_part = |at: Option<usize>| at.and_then(|at| blanked.get(at)).is_some_and(|c| c.is_alphanumeric());
        let letters = blanked.iter().skip(at).take(word.len()).copied();
        letters.eq(word.chars()) && !is_part(at.checked_sub(1)) && !is_part(Some(at + word.len()))
    };
    let name = |at: usize| {
        let (skipped, opens) = if word(at, "from") {
            (4, &[][..])
        } else if word(at, "import") {
            (6, &['('][..])
        } else {
            return None;
        };
        let mut rest = source.iter().skip(at + skipped).skip_while(|c| c.is_whitespace() || opens.contains(c));
        let quote = rest.next().filter(|c| matches!(c, '"' | '\''))?;
        Some((rest.take_while(|c| *c != quote).collect(), line_of(&blanked, at)))
    };
    (0..source.len()).filter_map(name).collect()
}

/// Follows imports depth first; one that leads back into the path closes a circle.
#[derive(Default)]
struct Walk {
    imports: BTreeMap<String, Vec<Import>>,
    path: Vec<String>,
    done: BTreeSet<String>,
    offences: Vec<Offence>,
}

impl Walk {
    fn visit(&mut self, file: &str) {
        if self.done.contains(file) {
            return;
        }
        self.path.push(file.to_owned());
        for (target, line) in self.imports.get(file).cloned().unwrap_or_default() {
            match self.path.iter().position(|on_path| *on_path == target) {
                Some(start) => {
                    let circle = self.path.iter().skip(start).chain([&target]).map(String::as_str);
                    let what = format!("imports in a circle: {}", circle.collect::<Vec<_>>().join(" → "));
                    self.offences.push(Offence { file: file.to_owned(), line, what });
                }
                None => self.visit(&target),
            }
        }
        self.path.pop();
        self.done.insert(file.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let files = files.iter().map(|(file, text)| (format!("client/{file}"), (*text).to_owned())).collect();
        let found: Vec<_> = check(&files).iter().map(|o| format!("{}:{} {}", o.file, o.line, o.what)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_direction_is_no_circle() {
        check_files(
            &[
                ("a/src/a.ts", "import { b } from \"./b\";\nimport { c } from './deep/c';\n"),
                ("a/src/b.ts", "import { c } from \"./deep/c\";\nexport { d } from \"./d\";\n"),
                ("a/src/deep/c.ts", "import type { D } from \"../d\";\nimport \"./style.css\";\n"),
                (
                    "a/src/d.tsx",
                    "// import { a } from \"./a\";\nconst text = 'import { a } from \"./a\"';\nArray.from(\"./a\");\n",
                ),
            ],
            &[],
        );
    }

    #[test]
    fn a_circle_is_told_with_the_line_that_closes_it() {
        let circle = "imports in a circle: client/a/a.ts → client/a/b.tsx → client/a/c/index.ts → client/a/a.ts";
        check_files(
            &[
                ("a/a.ts", "import {\n  b,\n} from \"./b\";\n"),
                ("a/b.tsx", "export * from \"./c\";\n"),
                ("a/c/index.ts", "\nimport type { A } from \"../a\";\n"),
                ("a/d.ts", "import { a } from \"./a\";\n"),
            ],
            &[&format!("client/a/c/index.ts:2 {circle}")],
        );
    }

    #[test]
    fn a_file_may_not_import_itself_nor_what_loads_it_later() {
        check_files(
            &[("a.ts", "import \"./a\";\n")],
            &["client/a.ts:1 imports in a circle: client/a.ts → client/a.ts"],
        );
        check_files(
            &[("a.ts", "const b = await import(\"./b\");\n"), ("b.ts", "export { a } from \"./a\";\n")],
            &["client/b.ts:1 imports in a circle: client/a.ts → client/b.ts → client/a.ts"],
        );
    }

    #[test]
    fn packages_are_followed_by_name() {
        let packages = [
            ("sdk/package.json", r#"{ "name": "@rotunda/client", "exports": { ".": "./dist/index.js" } }"#),
            ("sdk/src/index.ts", "export { Call } from \"@rotunda/react\";\n"),
            ("react/package.json", r#"{ "name": "@rotunda/react", "exports": { ".": "./dist/index.js" } }"#),
            ("react/src/index.ts", "import { Room } from \"@rotunda/client\";\nimport { useState } from \"react\";\n"),
        ];
        let circle = "client/react/src/index.ts → client/sdk/src/index.ts → client/react/src/index.ts";
        check_files(&packages, &[&format!("client/sdk/src/index.ts:1 imports in a circle: {circle}")]);
    }
}
