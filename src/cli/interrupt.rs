//! Ctrl-C and SIGTERM: asked for once, noticed between two pieces of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user wants the command to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches the signals from now on. Where they cannot be caught they end the program at once, as usual.
    pub fn watch() -> Self {
        let interrupt = Interrupt::default();
        let flag = Arc::clone(&interrupt.0);
        let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
        interrupt
    }

    /// What is set when a signal has come. Setting it stops the same work for another reason.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// A signal has come.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
