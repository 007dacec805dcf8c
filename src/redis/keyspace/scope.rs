//! Which part of the keys a command of a cluster's node is about while slots are open there.
//!
//! Counts by class say nothing of a single slot. While a slot's keys move, those it has here are counted apart
//! (`redis/slot_keys.rs`), and a command is about these, or about all others. What it finds, creates and deletes is
//! decided and booked within them, so that neither part gives the other keys.

/// Places of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The class.
    pub class: usize,
    /// Keys that can exist.
    pub size: u64,
    /// Keys that exist.
    pub present: u64,
}

/// What the running command is about; everything, unless something was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Places by class, of those classes in which it differs from everything.
    pub parts: Vec<Places>,
    /// Nothing but `parts`.
    pub only: bool,
}

impl Scope {
    /// The command is about everything.
    #[inline(always)]
    pub fn is_everything(&self) -> bool {
        self.parts.is_empty() && !self.only
    }

    /// Places of `class`; none if they are all those of the class.
    pub(super) fn of(&self, class: usize) -> Option<Places> {
        let part = self.parts.iter().find(|part| part.class == class).copied();
        part.or(self.only.then_some(Places { class, size: 0, present: 0 }))
    }

    /// A key of `class` came into being, or went.
    #[inline(always)]
    pub(super) fn book(&mut self, class: usize, created: bool) {
        if self.is_everything() {
            return;
        }
        if let Some(part) = self.parts.iter_mut().find(|part| part.class == class) {
            part.present = if created { part.present + 1 } else { part.present.saturating_sub(1) };
        }
    }

    /// From the next command on everything again.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.only = false;
    }
}
