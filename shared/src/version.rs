//! The version that every program of one build reports.

/// `0.1.0+9f3c2ab41d07`: the workspace's version and the commit. Only `cargo xtask dist` adds the commit, because it
/// would recompile every program; other builds have plain `0.1.0`.
pub const VERSION: &str = match option_env!("ROTUNDA_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
