//! Many runs as the command line watches them.

use super::interrupt::Interrupt;
use super::progress::Bar;
use crate::experiment::replications::Watch;

/// Ctrl-C ends runs, and each that has ended moves a bar.
pub struct Watched<'a> {
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
    /// On the terminal.
    pub bar: &'a Bar,
}

impl Watch for Watched<'_> {
    fn goes_on(&self) -> bool {
        !self.interrupt.requested()
    }

    fn finished(&self) {
        self.bar.finished_one();
    }
}
