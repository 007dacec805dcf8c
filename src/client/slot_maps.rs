//! Slot maps of client processes: whom each takes for the owner of a slot, and how its maps are fetched.
//!
//! A process has one map, which all its connections share. A map has 16,384 entries of two bytes. Of fetches in the
//! background one is under way at a time; wishes that come meanwhile, or during the pause after it, end in one more
//! (go-redis, `clusterStateHolder.LazyReload`). Who waits for a fetch that another connection has begun is the library's:
//! Jedis goes on with the old map (`rediscoverLock.tryLock`), redis-py begins one of its own.

use super::redirect::Memory;
use crate::scenario::cluster::SLOTS;
use crate::units::Nanos;

/// Maps of all client processes.
#[derive(Clone, Debug)]
pub struct SlotMaps {
    /// Of each process, one behind the other.
    owners: Vec<u16>,
    processes: Vec<Process>,
    /// No map was fetched before this.
    oldest: Nanos,
    /// Counts.
    pub counts: Counts,
}

/// What one process knows besides its map.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    memory: Memory,
    /// When its map was fetched last.
    fetched_at: Nanos,
    /// A fetch is under way.
    fetching: bool,
    /// Another one is wanted.
    wanted: bool,
    /// None begins before.
    rests_until: Nanos,
}

/// What happened to maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots that were changed by a reply.
    pub learned: u64,
    /// Maps that were fetched.
    pub refreshes: u64,
    /// Wishes for a map that did not begin a fetch, since one was under way or had just ended.
    pub coalesced: u64,
}

/// What becomes of the wish for a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It is to be asked for now; [`SlotMaps::end_refresh`] when it is there.
    Now,
    /// One is under way, or has just ended.
    UnderWay,
}

impl SlotMaps {
    /// So many processes that all know `owners`, the node of each slot ([`SLOTS`] of them; further ones are not looked
    /// at, missing ones are node 0).
    pub fn new(processes: u32, owners: &[u16]) -> Self {
        let mut map: Vec<u16> = owners.iter().copied().take(SLOTS).collect();
        map.resize(SLOTS, 0);
        Self::of(map.repeat(processes as usize), processes)
    }

    /// So many processes without a map: process p sends everything to node p mod `nodes`, ≥ 1.
    pub fn one_node(processes: u32, nodes: u16) -> Self {
        let entry = |process: u32| (process % u32::from(nodes.max(1))) as u16;
        let map = (0..processes).flat_map(|process| std::iter::repeat_n(entry(process), SLOTS));
        Self::of(map.collect(), processes)
    }

    fn of(owners: Vec<u16>, processes: u32) -> Self {
        SlotMaps {
            owners,
            processes: vec![Process::default(); processes as usize],
            oldest: 0,
            counts: Counts::default(),
        }
    }

    /// The process of a connection: they are dealt out in turn.
    #[inline(always)]
    pub fn process_of(&self, connection: u32) -> u32 {
        match self.processes.len() {
            1 => 0,
            processes => connection % processes as u32,
        }
    }

    /// Whom `process` takes for the owner of `slot` (below [`SLOTS`]).
    #[inline(always)]
    pub fn owner(&self, process: u32, slot: u16) -> u16 {
        self.owners[process as usize * SLOTS + slot as usize]
    }

    /// The map that all connections share when there is one process.
    #[inline(always)]
    pub fn only(&self) -> Option<&[u16; SLOTS]> {
        self.owners[..].try_into().ok()
    }

    /// The map of `process`.
    pub fn map(&self, process: u32) -> &[u16] {
        &self.owners[process as usize * SLOTS..][..SLOTS]
    }

    /// What `process` remembers besides.
    pub fn memory(&mut self, process: u32) -> &mut Memory {
        &mut self.processes[process as usize].memory
    }

    /// `process` learns that `node` has `slot`.
    pub fn learn(&mut self, process: u32, slot: u16, node: u16) {
        self.owners[process as usize * SLOTS + slot as usize] = node;
        self.counts.learned += 1;
    }

    /// `process` wants a map at `now`, in the background; it is asked for now or when the one under way is there.
    pub fn begin_refresh(&mut self, process: u32, now: Nanos) -> Begin {
        let process = &mut self.processes[process as usize];
        if process.fetching || now < process.rests_until {
            process.wanted = true;
            self.counts.coalesced += 1;
            return Begin::UnderWay;
        }
        process.fetching = true;
        Begin::Now
    }

    /// A fetch of `process` that may run beside others ends: its map is `owners`, as the asked node had them.
    pub fn refresh(&mut self, process: u32, owners: &[u16], now: Nanos) {
        let map = &mut self.owners[process as usize * SLOTS..][..SLOTS];
        for (entry, owner) in map.iter_mut().zip(owners) {
            *entry = *owner;
        }
        self.processes[process as usize].fetched_at = now;
        self.oldest = self.processes.iter().map(|process| process.fetched_at).min().unwrap_or(now);
        self.counts.refreshes += 1;
    }

    /// The fetch that [`begin_refresh`](Self::begin_refresh) allowed ends at `now`, `owners` being what the asked node
    /// had, or none if it did not answer. Then none begins for `cooldown`; the end of that time, when
    /// [`rested`](Self::rested) is to be asked.
    pub fn end_refresh(
        &mut self,
        process: u32,
        owners: Option<&[u16]>,
        now: Nanos,
        cooldown: Nanos,
    ) -> Option<Nanos> {
        // Wishes from the time of the fetch are fulfilled by it, or given up with it.
        let state = &mut self.processes[process as usize];
        state.fetching = false;
        state.wanted = false;
        let owners = owners?;
        state.rests_until = now.saturating_add(cooldown);
        let until = state.rests_until;
        self.refresh(process, owners, now);
        (cooldown > 0).then_some(until)
    }

    /// The pause after a fetch is over at `now`: another one begins if it was wanted meanwhile.
    pub fn rested(&mut self, process: u32, now: Nanos) -> bool {
        let process = &mut self.processes[process as usize];
        let begins = process.wanted && !process.fetching && now >= process.rests_until;
        if begins {
            process.wanted = false;
            process.fetching = true;
        }
        begins
    }

    /// The map of `process` is older than `age` at `now`.
    #[inline(always)]
    pub fn too_old(&self, process: u32, now: Nanos, age: Nanos) -> bool {
        now.saturating_sub(self.processes[process as usize].fetched_at) > age
    }

    /// Some map is older than `age` at `now`.
    #[inline(always)]
    pub fn any_too_old(&self, now: Nanos, age: Nanos) -> bool {
        now.saturating_sub(self.oldest) > age
    }

    /// Number of entries of all maps that are not those of `owners`.
    pub fn stale(&self, owners: &[u16]) -> u64 {
        let maps = self.owners.chunks_exact(SLOTS);
        maps.map(|map| map.iter().zip(owners).filter(|(has, is)| has != is).count() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = crate::units::MILLISECOND;

    #[test]
    fn a_process_learns_for_itself_and_fetches_all() {
        let truth: Vec<u16> = (0..SLOTS).map(|slot| (slot / 5462) as u16).collect();
        let mut maps = SlotMaps::new(3, &truth);
        assert_eq!((maps.stale(&truth), maps.owner(2, 16_383)), (0, 2));
        let mut moved = truth.clone();
        moved[100..200].fill(2);
        assert_eq!(maps.stale(&moved), 300);
        maps.learn(1, 150, 2);
        assert_eq!((maps.owner(1, 150), maps.owner(0, 150), maps.stale(&moved)), (2, 0, 299));
        maps.refresh(0, &moved, 5);
        assert_eq!((maps.map(0) == moved, maps.stale(&moved)), (true, 199));
        assert_eq!(maps.counts, Counts { learned: 1, refreshes: 1, coalesced: 0 });
        assert_eq!(
            (maps.too_old(0, 15, 10), maps.too_old(0, 16, 10), maps.too_old(1, 11, 10)),
            (false, true, true)
        );
        assert_eq!((maps.any_too_old(10, 10), maps.any_too_old(11, 10)), (false, true));
    }

    #[test]
    fn one_fetch_a_process_is_under_way_and_wishes_of_its_pause_make_one_more() {
        let truth = vec![0; SLOTS];
        let mut maps = SlotMaps::new(2, &truth);
        assert_eq!(maps.begin_refresh(0, 0), Begin::Now);
        assert_eq!(maps.begin_refresh(0, MS), Begin::UnderWay);
        assert_eq!(maps.begin_refresh(1, MS), Begin::Now);
        assert_eq!(maps.end_refresh(0, Some(&truth), 2 * MS, 200 * MS), Some(202 * MS));
        // Nothing was wanted since it came.
        assert!(!maps.rested(0, 202 * MS));
        assert_eq!(maps.begin_refresh(0, 202 * MS), Begin::Now);
        maps.end_refresh(0, Some(&truth), 203 * MS, 200 * MS);
        for at in 210..300 {
            assert_eq!(maps.begin_refresh(0, at * MS), Begin::UnderWay);
        }
        assert!(!maps.rested(0, 402 * MS));
        assert!(maps.rested(0, 403 * MS));
        assert!(!maps.rested(0, 403 * MS));
        // A node that did not answer leaves no pause.
        assert_eq!(maps.end_refresh(1, None, 9 * MS, 200 * MS), None);
        assert_eq!(maps.begin_refresh(1, 9 * MS), Begin::Now);
        assert_eq!(maps.counts, Counts { learned: 0, refreshes: 2, coalesced: 91 });
    }

    #[test]
    fn clients_without_a_map_have_one_node() {
        let mut maps = SlotMaps::one_node(5, 3);
        assert_eq!((0..5).map(|p| maps.owner(p, 777)).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
        maps.memory(4).moved = 3;
        assert_eq!((maps.memory(4).moved, maps.memory(3).moved), (3, 0));
        assert_eq!((maps.process_of(4), maps.process_of(13)), (4, 3));
    }
}
