//! Keeps two xtasks from doing the same work in the same folder at the same time.

use std::fs::{self, File, TryLockError};
use std::thread::sleep;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{process, signals};

/// Held until it is dropped, or until its process ends, however that ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else does `what`.
    pub(crate) fn take(workspace: &Workspace, what: &str) -> Result<Self> {
        let folder = workspace.state().join("locks");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = File::create(folder.join(what)).with_context(|| format!("opening the lock for {what}"))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if told => {}
                Err(TryLockError::WouldBlock) => println!("  … waiting for another cargo xtask: {what}"),
                Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("locking {what}")),
            }
            told = true;
            signals::check()?;
            sleep(process::POLL);
        }
    }
}
