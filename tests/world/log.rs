//! Listens to the cores' log: an error fails the simulated test that caused it.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// The errors of one world, collected on its thread while it lives.
pub struct ErrorLog {
    errors: Arc<Mutex<Vec<String>>>,
    _listening: DefaultGuard,
}

impl Default for ErrorLog {
    fn default() -> Self {
        let errors = Arc::new(Mutex::new(Vec::new()));
        let listening = tracing::subscriber::set_default(Listener { errors: errors.clone() });
        Self { errors, _listening: listening }
    }
}

impl ErrorLog {
    /// The errors since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Listener {
    errors: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{}:", event.metadata().target()));
        event.record(&mut line);
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_errors_and_nothing_less() {
        let log = ErrorLog::default();
        tracing::warn!("not this");
        tracing::error!(room = "daily", "this");
        let errors = log.take();
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains("message=this") && errors[0].contains("room=\"daily\""), "{errors:?}");
        assert!(log.take().is_empty());
    }
}
