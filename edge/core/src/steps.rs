//! Counts the steps of a computation, so that tests can bound its complexity.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// One step for the call, and one for each byte of the text.
#[inline]
pub(crate) fn look_through(text: &str) -> &str {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1 + text.len() as u64));
    text
}

/// The number of steps that `body` takes on this thread.
#[cfg(test)]
pub(crate) fn count(body: impl FnOnce()) -> u64 {
    STEPS.set(0);
    body();
    STEPS.get()
}
