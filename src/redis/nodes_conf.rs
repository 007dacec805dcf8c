//! `nodes.conf`: what makes a node write it, how long it is, and what a save costs the main thread.
//!
//! Events set flags (`clusterDoBeforeSleep`); `clusterBeforeSleep` saves once, whatever their number, ahead of the
//! turn's replies. The save waits for the disk only if one of the events asks for it:
//!
//! | event | saves | with fsync |
//! |---|---|---|
//! | SETSLOT IMPORTING, MIGRATING, STABLE, NODE; ADDSLOTS, DELSLOTS | yes | no |
//! | a new epoch of its own (SETSLOT NODE on the target, BUMPEPOCH) | yes | yes |
//! | another node's PONG or UPDATE with a higher epoch, or with slots it has taken over | yes | yes |
//! | a vote, an election, a take-over, becoming a replica | yes | yes |
//! | a node marked as failing or cleared of it, a new node | yes | no |
//!
//! SETSLOT NODE on the target gives it a new epoch only if another node's is as high: with the first slot of a
//! reshard. From then on slot after slot is saved without fsync, as strace of 7.0.15 shows: for 5 slots a fsync on each
//! node. A node that hears of a slot from the target's PONG before redis-cli's SETSLOT NODE reaches it does fsync.
//!
//! Before 7.2 the file is written in place, padded to its old length, synced, truncated. From 7.2 on a temporary file is
//! written, synced and renamed, and the directory synced ([`ConfigFile::save`]).
//!
//! Sources: cluster.c of 7.0 and 7.2, `clusterSaveConfig`, `clusterGenNodeDescription`. Left out: hostnames, TLS
//! ports, nodes that are marked as failing. Valkey 9.1's `cluster-config-save-behavior best-effort` lets a node live
//! whose save has failed; its saves are as synchronous (a background thread came later).

use super::resp::digits;
use super::version::Version;
use crate::cost_model::Cluster;
use crate::units::Nanos;

/// `CLUSTER_NAMELEN`: hexadecimal id of a node or shard.
const ID: u64 = 40;
/// Ping sent and pong received as they stand in the file: `0` and a time in milliseconds; of the node itself `0 0`
/// most of the time.
const PING_AND_PONG: u64 = 1 + 1 + 13;
/// `,,tls-port=0,shard-id=` and the id (from 7.2 on).
const AUX_FIELDS: u64 = 22 + ID;

/// What may make a node save its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigEvent {
    /// CLUSTER SETSLOT of any kind, ADDSLOTS, DELSLOTS.
    SlotCommand,
    /// The node has given itself a new epoch (`clusterBumpConfigEpochWithoutConsensus`).
    OwnEpoch,
    /// Another node shows a higher epoch of its own than known.
    OthersEpoch,
    /// Another node claims slots with a higher epoch than their owner's (`clusterUpdateSlotsConfigWith`).
    SlotsTaken,
    /// A vote for a replica (`clusterSendFailoverAuthIfNeeded`).
    Vote,
    /// A replica starts its election, or takes over its primary's slots.
    Failover,
    /// A primary without slots becomes a replica, or a replica gets another primary through either of the above.
    BecomesReplica,
    /// A node is marked as failing or is no longer (`CLUSTER_NODE_PFAIL` cleared, `CLUSTER_NODE_FAIL`).
    NodeState,
    /// Another primary has become a replica.
    OthersRole,
    /// A node has been added, forgotten, or has another address.
    Membership,
}

impl ConfigEvent {
    /// Whether it asks for `CLUSTER_TODO_FSYNC_CONFIG` beside `CLUSTER_TODO_SAVE_CONFIG`.
    pub fn fsyncs(self) -> bool {
        match self {
            ConfigEvent::OwnEpoch
            | ConfigEvent::OthersEpoch
            | ConfigEvent::SlotsTaken
            | ConfigEvent::Vote
            | ConfigEvent::Failover
            | ConfigEvent::BecomesReplica => true,
            ConfigEvent::SlotCommand
            | ConfigEvent::NodeState
            | ConfigEvent::OthersRole
            | ConfigEvent::Membership => false,
        }
    }
}

/// What stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigContent {
    /// Primaries.
    pub primaries: u64,
    /// Replicas.
    pub replicas: u64,
    /// Ranges of slots of all primaries of more than one slot, with the digits of their two numbers.
    pub ranges: u64,
    /// Digits of those ranges' numbers.
    pub range_digits: u64,
    /// Slots that stand alone.
    pub singles: u64,
    /// Digits of their numbers.
    pub single_digits: u64,
    /// Slots the node itself has as migrating or importing.
    pub open: u64,
    /// Digits of their numbers.
    pub open_digits: u64,
    /// The cluster's epoch.
    pub epoch: u64,
}

impl ConfigContent {
    /// Counts the ranges of a table of owners; the other fields are the caller's.
    pub fn with_slots(mut self, owners: &[Option<usize>]) -> Self {
        let mut start = 0;
        for end in 1..=owners.len() {
            if end < owners.len() && owners[end] == owners[start] {
                continue;
            }
            if owners[start].is_some() {
                if end - start == 1 {
                    self.singles += 1;
                    self.single_digits += digits(start as u64);
                } else {
                    self.ranges += 1;
                    self.range_digits += digits(start as u64) + digits(end as u64 - 1);
                }
            }
            start = end;
        }
        self
    }

    /// Bytes of the file, with addresses of `address` bytes (`ip:port@cport`).
    pub fn bytes(&self, version: Version, address: u64) -> u64 {
        let aux = if version.has(7, 2) { AUX_FIELDS } else { 0 };
        // `id address master - 0 pong epoch connected\n`; a replica has `slave` and its primary's id.
        let common = ID + 1 + address + aux + 1 + PING_AND_PONG + 1 + digits(self.epoch) + 10 + 1;
        let primary = common + "master - ".len() as u64;
        let replica = common + "slave ".len() as u64 + ID + 1;
        let slots = self.ranges * 2 + self.range_digits + self.singles + self.single_digits;
        // ` [slot->-id]`.
        let open = self.open * (6 + ID) + self.open_digits;
        let vars = "vars currentEpoch  lastVoteEpoch 0\n".len() as u64 + digits(self.epoch);
        self.primaries * primary + self.replicas * replica + "myself,".len() as u64 + slots + open + vars
    }
}

/// What a save asks of the main thread and the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSave {
    /// Main-thread time without syncing \[ns\].
    pub cpu: Nanos,
    /// Bytes written, padding included.
    pub bytes: u64,
    /// fsync(2) of the file that the main thread waits for, 0 or 1.
    pub file_fsyncs: u32,
    /// fsync(2) of the directory that it waits for, 0 or 1.
    pub directory_fsyncs: u32,
}

/// A node's `nodes.conf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// Whether `CLUSTER_TODO_SAVE_CONFIG` is set, and with it `CLUSTER_TODO_FSYNC_CONFIG`.
    wanted: Option<bool>,
    /// Bytes of the file as it is.
    size: u64,
    /// Saves done.
    pub saves: u64,
    /// fsync(2) calls of the main thread, of files and directories.
    pub fsyncs: u64,
}

impl ConfigFile {
    /// An event has happened.
    pub fn note(&mut self, event: ConfigEvent) {
        self.wanted = Some(self.wanted.unwrap_or(false) | event.fsyncs());
    }

    /// Whether this turn's `clusterBeforeSleep` saves.
    pub fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Saves, if an event has asked for it (`clusterSaveConfigOrDie`). `nodes` are all nodes in the file, `content` its
    /// length.
    pub fn save(
        &mut self,
        version: Version,
        nodes: u64,
        content: u64,
        prices: &Cluster,
    ) -> Option<ConfigSave> {
        let fsync = self.wanted.take()?;
        let renames = version.has(7, 2);
        let bytes = if renames { content } else { content.max(self.size) };
        self.size = content;
        let save = ConfigSave {
            cpu: prices.config_write + prices.config_write_per_node * nodes,
            bytes,
            file_fsyncs: u32::from(fsync),
            directory_fsyncs: u32::from(fsync && renames),
        };
        self.saves += 1;
        self.fsyncs += u64::from(save.file_fsyncs + save.directory_fsyncs);
        Some(save)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::cluster::SLOTS;

    const SEVEN: Version = Version::redis(7, 0);
    /// `127.0.0.1:17701@27701`.
    const ADDRESS: u64 = 21;

    fn prices() -> Cluster {
        crate::models::load("two-core-vm").expect("a built-in model").0.cluster
    }

    fn content() -> ConfigContent {
        let owners: Vec<Option<usize>> =
            (0..SLOTS).map(|slot| Some(usize::from(slot > 5460) + usize::from(slot > 10_922))).collect();
        ConfigContent { primaries: 4, epoch: 4, ..ConfigContent::default() }.with_slots(&owners)
    }

    /// Files of four real 7.0.15 nodes, one of them empty: 473 bytes, 523 while it imports slot 3300.
    #[test]
    fn the_file_is_as_long_as_a_real_one() {
        assert_eq!(content().bytes(SEVEN, ADDRESS), 473);
        let open = ConfigContent { open: 1, open_digits: 4, ..content() };
        assert_eq!(open.bytes(SEVEN, ADDRESS), 523);
        assert_eq!(content().bytes(Version::redis(7, 2), ADDRESS), 473 + 4 * 62);
        let replica = ConfigContent { replicas: 1, ..content() };
        assert_eq!(replica.bytes(SEVEN, ADDRESS) - 473, 100 + 38);
    }

    #[test]
    fn ranges_and_single_slots_are_told_apart() {
        let owners = [Some(0), Some(0), Some(1), Some(0), None, None, Some(1), Some(1)];
        let content = ConfigContent::default().with_slots(&owners);
        assert_eq!((content.ranges, content.range_digits), (2, 4));
        assert_eq!((content.singles, content.single_digits), (2, 2));
        assert_eq!(ConfigContent::default().with_slots(&[]), ConfigContent::default());
    }

    /// As strace shows it for a reshard of slots one by one: a save for each SETSLOT, one fsync for the new epoch.
    #[test]
    fn a_turn_saves_once_and_waits_for_the_disk_only_for_an_epoch() {
        let (mut file, prices) = (ConfigFile::default(), prices());
        assert_eq!(file.save(SEVEN, 4, 473, &prices), None);
        for slot in 0..5 {
            file.note(ConfigEvent::SlotCommand);
            assert_eq!(file.save(SEVEN, 4, 523, &prices).map(|s| s.file_fsyncs), Some(0));
            file.note(ConfigEvent::SlotCommand);
            if slot == 0 {
                file.note(ConfigEvent::OwnEpoch);
                file.note(ConfigEvent::SlotCommand);
            }
            assert!(file.is_wanted());
            let save = file.save(SEVEN, 4, 473, &prices).expect("a save");
            assert_eq!(save.file_fsyncs, u32::from(slot == 0));
            // Padded to the longer file that it replaces.
            assert_eq!((save.bytes, save.directory_fsyncs), (523, 0));
            assert_eq!(save.cpu, prices.config_write + 4 * prices.config_write_per_node);
        }
        assert_eq!((file.saves, file.fsyncs, file.is_wanted()), (10, 1, false));
    }

    #[test]
    fn from_7_2_on_the_directory_is_synced_too() {
        let (mut file, prices, version) = (ConfigFile::default(), prices(), Version::valkey(8, 0));
        file.note(ConfigEvent::NodeState);
        assert_eq!(
            file.save(version, 6, 900, &prices).map(|s| (s.file_fsyncs, s.directory_fsyncs)),
            Some((0, 0))
        );
        file.note(ConfigEvent::SlotsTaken);
        let save = file.save(version, 6, 700, &prices).expect("a save");
        assert_eq!((save.bytes, save.file_fsyncs, save.directory_fsyncs), (700, 1, 1));
        assert_eq!(file.fsyncs, 2);
    }
}
