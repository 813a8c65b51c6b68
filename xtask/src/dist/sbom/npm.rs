//! Reads the dependencies of an npm workspace's application from package-lock.json. `npm sbom` omits packages that are
//! also a tool of another package, and names packages after their folders.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::{Bill, Part};

const FOLDER: &str = "node_modules/";

pub(super) fn parse(lock: &str, application: &str) -> Result<Bill> {
    let lock: Value = serde_json::from_str(lock).context("reading package-lock.json")?;
    let packages = lock["packages"].as_object().context("package-lock.json names no package")?;
    let mut bill = Bill { subject: String::new(), parts: BTreeMap::new(), needs: BTreeMap::new() };
    bill.subject = add(&mut bill, packages, application)?;
    Ok(bill)
}

/// Adds the package at `path` with all its dependencies; returns its purl.
fn add(bill: &mut Bill, packages: &Map<String, Value>, path: &str) -> Result<String> {
    let package = packages.get(path).with_context(|| format!("package-lock.json has no {path}"))?;
    if let Some(target) = package["resolved"].as_str().filter(|_| package["link"] == true) {
        return add(bill, packages, target);
    }
    let name = package["name"].as_str().or_else(|| Some(path.rsplit_once(FOLDER)?.1)).unwrap_or(path);
    let version = package["version"].as_str().with_context(|| format!("{path} has no version"))?;
    let purl = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
    if bill.parts.contains_key(&purl) {
        return Ok(purl);
    }
    let part = Part {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: package["license"].as_str().with_context(|| format!("{path} has no licence"))?.to_owned(),
        checksum: package["integrity"].as_str().and_then(checksum),
    };
    bill.parts.insert(purl.clone(), part);
    let tables = ["dependencies", "peerDependencies"].iter().filter_map(|table| package[table].as_object());
    for needed in tables.flat_map(Map::keys) {
        let found = resolve(packages, path, needed).with_context(|| format!("{path} needs {needed}"))?;
        let needed = add(bill, packages, &found)?;
        bill.needs.entry(purl.clone()).or_default().insert(needed);
    }
    Ok(purl)
}

/// The path at which Node.js finds `name` from `path`: in the nearest `node_modules` above.
fn resolve(packages: &Map<String, Value>, path: &str, name: &str) -> Option<String> {
    let mut folder = path;
    loop {
        let separator = if folder.is_empty() { "" } else { "/" };
        let candidate = format!("{folder}{separator}{FOLDER}{name}");
        if packages.contains_key(&candidate) {
            return Some(candidate);
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
}

/// Subresource integrity is in base64 (W3C SRI §3.1), CycloneDX in hexadecimal digits.
fn checksum(integrity: &str) -> Option<(&'static str, String)> {
    let digest = BASE64_STANDARD.decode(integrity.strip_prefix("sha512-")?).ok()?;
    Some(("SHA-512", digest.iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lock() -> Value {
        json!({ "packages": {
            "": { "name": "root", "version": "1.0.0", "devDependencies": { "tool": "1" } },
            "client/app": { "name": "@r/app", "version": "1.0.0", "license": "MIT",
                "dependencies": { "@r/ui": "1.0.0", "react": "19.0.0" }, "devDependencies": { "tool": "1" } },
            "client/ui": { "name": "@r/ui", "version": "1.0.0", "license": "MIT", "peerDependencies": { "react": "^18" } },
            "client/ui/node_modules/react": { "version": "18.0.0", "license": "MIT" },
            "node_modules/@r/ui": { "resolved": "client/ui", "link": true },
            "node_modules/react": { "version": "19.0.0", "license": "MIT", "integrity": "sha512-AQID", "dev": true },
            "node_modules/tool": { "version": "1.0.0", "license": "MIT" },
        } })
    }

    #[test]
    fn an_application_has_what_node_would_find_and_no_tool() {
        let bill = parse(&lock().to_string(), "client/app").expect("a bill");
        assert_eq!(bill.subject, "pkg:npm/%40r/app@1.0.0");
        let purls: Vec<_> = bill.parts.keys().map(String::as_str).collect();
        let all = ["pkg:npm/%40r/app@1.0.0", "pkg:npm/%40r/ui@1.0.0", "pkg:npm/react@18.0.0", "pkg:npm/react@19.0.0"];
        assert_eq!(purls, all);
        let needs: Vec<_> = bill.needs["pkg:npm/%40r/ui@1.0.0"].iter().map(String::as_str).collect();
        assert_eq!(needs, ["pkg:npm/react@18.0.0"]);
        assert_eq!(bill.parts["pkg:npm/react@19.0.0"].checksum, Some(("SHA-512", "010203".to_owned())));
    }

    #[test]
    fn what_the_lock_does_not_have_is_an_error() {
        let mut lock = lock();
        assert!(parse(&lock.to_string(), "client/none").is_err());
        lock["packages"].as_object_mut().expect("a table").remove("node_modules/react");
        assert!(parse(&lock.to_string(), "client/app").is_err());
    }

    #[test]
    fn the_meet_app_has_react_with_its_checksum() {
        let bill = parse(include_str!("../../../../package-lock.json"), "client/meet").expect("a bill");
        let names: Vec<_> = bill.parts.values().map(|part| part.name.as_str()).collect();
        for name in ["@rotunda/client", "@rotunda/react", "react", "react-dom"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(bill.parts.values().any(|part| part.name == "react-dom" && part.checksum.is_some()));
    }
}
