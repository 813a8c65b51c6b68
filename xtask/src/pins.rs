//! Every version that xtask chooses itself; npm's are in `package.json`, crates' in `Cargo.lock`.

/// `worker-build` of the same release as the crate `worker`.
pub(crate) const WORKER_BUILD: &str = "0.8.7";

/// An S3-compatible server over a folder, for recordings on a developer's machine and in tests.
pub(crate) const S3S_FS: &str = "0.14.1";

/// The oldest Node.js that wrangler and Vite accept.
pub(crate) const NODE_MIN: (u32, u32) = (22, 12);

/// Installed through npm where the one on the PATH is older than [`NODE_MIN`].
pub(crate) const NODE: &str = "24.21.0";

/// Checks the HTTP API against its document.
pub(crate) const SCHEMATHESIS: &str = "4.32.5";

/// What the edge compiles to.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The version of `package` in a Cargo.lock; with several, the last, which cargo sorts highest.
pub(crate) fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut found = None;
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if line == name {
            found = lines.next().and_then(|next| next.strip_prefix("version = \"")).map(|rest| rest.replace('"', ""));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n\n\
        [[package]]\nname = \"worker\"\nversion = \"0.8.7\"\n";

    #[test]
    fn reads_the_version_of_the_named_package() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen").as_deref(), Some("0.2.130"));
    }

    #[test]
    fn a_package_that_is_not_locked_has_no_version() {
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }
}
