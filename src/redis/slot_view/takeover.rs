//! A node takes slots over that were imported as a whole (atomic migration).

use super::{Changed, ClusterView, Save};
use crate::slots::Slot;

impl ClusterView {
    /// The node has `slots` from now on, with a new configuration epoch that nobody was asked for, and tells all others
    /// (Valkey 9: `performSlotImportJobFailover`; Redis 8.4: `asmNotifyConfigUpdated` after `clusterAsmOnEvent`).
    pub fn take_slots(&mut self, slots: &[Slot]) -> Changed {
        for &slot in slots {
            self.assign(slot, self.me);
        }
        Changed { save: Save::SYNC, epoch: self.bump_epoch(), broadcast: true, ..Changed::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::version::Version;

    #[test]
    fn a_claim_after_a_takeover_is_believed() {
        let owners: Vec<u16> = (0..16_384).map(|slot| (slot / 8192) as u16).collect();
        let view = |me| ClusterView::new(Version::valkey(9, 0), me, &owners, &[1, 2, 0], true, 1);
        let (mut target, mut source) = (view(2), view(1));
        let slots = [8192, 16_383];
        let changed = target.take_slots(&slots);
        assert!(changed.broadcast && changed.save.fsync);
        assert_eq!((changed.epoch, target.owned(2), target.owned(1)), (Some(3), 2, 8190));
        source.hear(2, target.epoch(2), slots, |_| 0);
        assert!(slots.iter().all(|&slot| source.owner(slot) == 2));
        // The next job finds the greatest epoch its own.
        assert_eq!(target.take_slots(&[9000]).epoch, None);
    }
}
