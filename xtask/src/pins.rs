//! The versions of tools that xtask installs; npm packages are in `package.json`, crates in `Cargo.lock`.

/// The oldest Node.js that wrangler and Vite accept.
pub(crate) const NODE_MIN: (u32, u32) = (22, 12);

/// Installed through npm where the one on the PATH is older than [`NODE_MIN`].
pub(crate) const NODE: &str = "24.21.0";

/// Checks the HTTP API against its document.
pub(crate) const SCHEMATHESIS: &str = "4.32.5";

/// Checks the Terraform modules for mistakes of security.
pub(crate) const CHECKOV: &str = "3.3.30";

/// Checks them for style; built by Go, where that is installed.
pub(crate) const TFLINT: &str = "0.64.0";

/// The AWS provider that the Terraform environments name.
pub(crate) const AWS_PROVIDER: &str = "5.100.0";

/// What the edge compiles to.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
