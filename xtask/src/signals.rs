//! Ctrl-C and similar signals set a flag that every wait checks, so that xtask always ends its children itself.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use anyhow::{Result, bail};

static RECEIVED: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The error of an interrupted step; `main` turns it into the exit code that shells expect.
#[derive(Debug)]
pub(crate) struct Interrupted {
    /// The signal's number.
    pub(crate) signal: i32,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Catches termination signals, and adopts orphans so that none can outlive us.
pub(crate) fn install() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: `remember` only touches atomics, which is allowed in a signal handler.
        unsafe { libc::signal(signal, remember as *const () as libc::sighandler_t) };
    }
    #[cfg(target_os = "linux")]
    // SAFETY: this option takes one integer and touches no memory of ours. workerd, orphaned by a killed node, is
    // handed to us instead of to init, so that `process::end_all` finds it.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
    };
}

/// Fails once a termination signal has arrived.
pub(crate) fn check() -> Result<()> {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => Ok(()),
        signal => bail!(Interrupted { signal }),
    }
}

/// True if the developer pressed Ctrl-C more than once: then children are killed at once.
pub(crate) fn impatient() -> bool {
    COUNT.load(Ordering::Relaxed) > 1
}

extern "C" fn remember(signal: i32) {
    RECEIVED.store(signal, Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
}
