//! What redis-cli asks of a node when it moves slots, and what the node replies, as far as redis-cli looks at it.

use crate::units::Nanos;

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// CLUSTER SETSLOT slot IMPORTING from.
    SetSlotImporting {
        /// Who has the slot.
        from: usize,
    },
    /// CLUSTER SETSLOT slot MIGRATING to.
    SetSlotMigrating {
        /// Who gets the slot.
        to: usize,
    },
    /// CLUSTER SETSLOT slot NODE owner.
    SetSlotNode {
        /// The owner from now on.
        owner: usize,
    },
    /// CLUSTER SETSLOT slot STABLE.
    SetSlotStable,
    /// CLUSTER GETKEYSINSLOT slot count.
    GetKeysInSlot {
        /// At most so many keys.
        count: u32,
    },
    /// CLUSTER COUNTKEYSINSLOT slot.
    CountKeysInSlot,
    /// MIGRATE host port "" 0 timeout \[REPLACE\] KEYS …: the keys of the last GETKEYSINSLOT.
    Migrate {
        /// Target.
        to: usize,
        /// Number of keys.
        keys: u32,
        /// With REPLACE.
        replace: bool,
        /// Time-out of each socket operation \[ns\].
        timeout: Nanos,
    },
    /// CLUSTER SLOTS, to see whether the slot is served.
    ClusterSlots,
    /// DEBUG DIGEST-VALUE of the keys of the last GETKEYSINSLOT.
    DigestValue {
        /// Number of keys.
        keys: u32,
    },
    /// MULTI or EXEC around the three below.
    Transaction,
    /// CLUSTER DELSLOTS slot; that the slot is unassigned is no error.
    DelSlots,
    /// CLUSTER ADDSLOTS slot.
    AddSlots,
    /// CLUSTER BUMPEPOCH.
    BumpEpoch,
}

/// An error reply, as far as redis-cli tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// MIGRATE: the target has one of the keys (BUSYKEY).
    BusyKey,
    /// MIGRATE: `-IOERR error or timeout …`.
    IoError,
    /// MIGRATE: the target refused (OOM, CLUSTERDOWN, LOADING …).
    TargetError,
    /// SETSLOT: the node has become a replica ("Please use SETSLOT only with masters").
    NotMaster,
    /// SETSLOT of Valkey 8: the client was unblocked by a change of role, or replicas are missing (UNBLOCKED,
    /// NOREPLICAS).
    Unblocked,
    /// DEBUG is not allowed (`enable-debug-command no`, the default from 7.0 on).
    DebugNotAllowed,
    /// Any other.
    Other,
}

/// What a node replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// +OK, and every reply that is not looked at.
    Ok,
    /// GETKEYSINSLOT: so many keys.
    Keys(u32),
    /// Reply to MIGRATE. An error may come after some keys have moved. +NOKEY is no error with no key.
    Migrated {
        /// Keys that are on the target and no longer here.
        keys: u32,
        /// Bytes sent to the target.
        bytes: u64,
        /// Error reply.
        error: Option<ReplyError>,
    },
    /// CLUSTER SLOTS: whether the slot has an owner.
    Served(bool),
    /// DEBUG DIGEST-VALUE: digests that differ from those of the node asked before (0 from the first).
    Differing(u32),
    /// An error reply to any other command.
    Error(ReplyError),
    /// The connection is gone.
    Closed,
}
