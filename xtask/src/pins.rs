//! The versions of tools that xtask installs; npm packages are in `package.json`, crates in `Cargo.lock`.

/// The oldest Node.js that wrangler and Vite accept.
pub(crate) const NODE_MIN: (u32, u32) = (22, 12);

/// Installed through npm if the one on the PATH is older than [`NODE_MIN`].
pub(crate) const NODE: &str = "24.21.0";

/// Checks the HTTP API against its document.
pub(crate) const SCHEMATHESIS: &str = "4.32.5";

/// Checks the security of the Terraform modules.
pub(crate) const CHECKOV: &str = "3.3.30";

/// Checks the style of the Terraform modules; built by Go, if that is installed.
pub(crate) const TFLINT: &str = "0.64.0";

/// Checks licences and sources of crates.
pub(crate) const CARGO_DENY: &str = "0.20.2";

/// Checks Containerfiles.
pub(crate) const HADOLINT: &str = "2.15.1";

/// Checks workflows; built by Go, where that is installed.
pub(crate) const ACTIONLINT: &str = "1.7.12";

/// The test authority of Let's Encrypt; built by Go, where that is installed.
pub(crate) const PEBBLE: &str = "2.10.3";

/// The AWS provider of the Terraform environments.
pub(crate) const AWS_PROVIDER: &str = "5.100.0";

/// The edge's target.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Links the program that the TURN node runs in the kernel.
pub(crate) const BPF_LINKER: &str = "0.9.15";

/// The Rust that builds that program: another one writes other bytes.
pub(crate) const BPF_RUSTC: &str = "1.95.0";
