//! Prevents two xtasks from doing the same work in the same folder at the same time.

use std::fs::{self, File, TryLockError};
use std::thread::sleep;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{process, signals};

/// Held until dropped, or until the process ends for any reason.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other xtask does `what`.
    pub(crate) fn take(workspace: &Workspace, what: &str) -> Result<Self> {
        let mut told = false;
        loop {
            if let Some(lock) = Self::try_take(workspace, what)? {
                return Ok(lock);
            }
            if !std::mem::replace(&mut told, true) {
                println!("  … waiting for another cargo xtask: {what}");
            }
            signals::check()?;
            sleep(process::POLL);
        }
    }

    /// `None` if another xtask does `what`.
    pub(crate) fn try_take(workspace: &Workspace, what: &str) -> Result<Option<Self>> {
        let folder = workspace.state().join("locks");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = File::create(folder.join(what)).with_context(|| format!("opening the lock for {what}"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {what}")),
        }
    }
}
