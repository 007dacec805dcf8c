//! The dataset's keys, before the clients begin.

use std::collections::BTreeSet;

use redis::Cmd;

use crate::dist::Sampler;
use crate::live::address::Address;
use crate::live::control::Control;
use crate::live::error::{LiveError, Result};
use crate::redis::resp::bulk;
use crate::rng::{StreamId, Streams, Uniform};
use crate::scenario::ttl::{TtlAge, TtlSampler};
use crate::scenario::{Dataset, Workload};

use super::names::{Family, Names};
use super::render::{Values, own_draws, wall_ms};
use super::{Phase, Plan, Progress};

/// Bytes that are sent before their replies are read, about.
const BATCH_BYTES: u64 = 256 * 1024;
/// Commands of a batch at most.
const BATCH: usize = 2000;

/// The families whose keys the groups address: strings when none addresses any.
pub fn families(plan: &Plan) -> BTreeSet<Family> {
    let of_group = |group: &'_ Workload| -> Vec<Family> {
        group.mix.iter().map(|(command, _)| Family::of(command, group)).collect()
    };
    let families: BTreeSet<Family> = plan.groups.iter().flat_map(of_group).collect();
    if families.is_empty() { BTreeSet::from([Family::Text]) } else { families }
}

/// Sets every key of every family, if the plan says so. A collection gets one element.
///
/// # Errors
/// What the server answers; [`LiveError::Interrupted`] when `progress` returns false.
pub fn fill(address: &Address, plan: &Plan, progress: &mut dyn FnMut(Progress) -> bool) -> Result<()> {
    if !plan.fill {
        return Ok(());
    }
    let families = families(plan);
    let items = |family: Family| match family {
        Family::Stream => plan.dataset.streams * plan.dataset.stream_entries,
        _ => plan.dataset.keys,
    };
    let of: u64 = families.iter().map(|family| items(*family)).sum();
    let mut control = Control::connect(address)?;
    let mut done = 0;
    for family in families {
        let mut filler = Filler::new(plan, family);
        let mut next = 0;
        while next < items(family) {
            let mut batch = Vec::with_capacity(BATCH);
            let mut bytes = 0;
            while next < items(family) && batch.len() < BATCH && bytes < BATCH_BYTES {
                let cmd = filler.command(next);
                bytes += cmd
                    .args_iter()
                    .map(|word| match word {
                        redis::Arg::Simple(word) => bulk(word.len() as u64),
                        _ => 0,
                    })
                    .sum::<u64>();
                batch.push(cmd);
                next += 1;
            }
            control.pipeline(&batch)?;
            done += batch.len() as u64;
            if !progress(Progress { phase: Phase::Filling, done, of, requests: 0 }) {
                return Err(LiveError::Interrupted);
            }
        }
    }
    Ok(())
}

/// Memory that the keys of a plan will take, about \[bytes\]: names, values and what the server keeps beside them.
pub fn memory(plan: &Plan) -> u64 {
    /// Entry, object and two allocations; the half of a hash table that is empty.
    const BESIDE: f64 = 100.0;
    let dataset = &plan.dataset;
    let key = f64::from(dataset.key_size) + plan.prefix.len() as f64;
    let one = key + dataset.value_size.mean() + BESIDE;
    let of = |family: Family| match family {
        Family::Stream => (dataset.streams * dataset.stream_entries.max(1)) as f64,
        _ => dataset.keys as f64,
    };
    families(plan).into_iter().map(|family| of(family) * one).sum::<f64>() as u64
}

/// Makes the commands for one family.
struct Filler<'p> {
    dataset: &'p Dataset,
    family: Family,
    names: Names,
    size: Sampler,
    sizes: crate::rng::Numbered,
    ttls: crate::rng::Numbered,
    ttl: Option<TtlSampler>,
    values: Values,
    key: Vec<u8>,
}

impl<'p> Filler<'p> {
    fn new(plan: &'p Plan, family: Family) -> Self {
        let streams = Streams::new(plan.seed, 0);
        let dataset = &plan.dataset;
        let keys = if family == Family::Stream { dataset.streams } else { dataset.keys };
        Filler {
            dataset,
            family,
            names: Names::new(&plan.prefix, family, dataset.key_size, keys),
            size: Sampler::new(&dataset.value_size),
            sizes: own_draws(&streams, StreamId::ValueSizes),
            ttls: own_draws(&streams, StreamId::Ttl),
            ttl: dataset.ttl.as_ref().map(TtlSampler::new),
            values: Values::new(&streams),
            key: Vec::new(),
        }
    }

    fn command(&mut self, number: u64) -> Cmd {
        let rank = if self.family == Family::Stream { number % self.dataset.streams } else { number };
        self.names.write(rank, &mut self.key);
        let mut cmd = Cmd::new();
        let size = self.size.sample(&mut self.sizes.of(number)) as usize;
        let name = match self.family {
            Family::Text | Family::Counter => "SET",
            Family::Hash => "HSET",
            Family::List => "RPUSH",
            Family::Set => "SADD",
            Family::SortedSet => "ZADD",
            Family::Stream => "XADD",
        };
        cmd.arg(name).arg(&self.key[..]);
        match self.family {
            Family::Counter => {
                cmd.arg("1");
            }
            Family::Hash => {
                cmd.arg("field-0000");
            }
            Family::SortedSet => {
                cmd.arg("1");
            }
            Family::Stream => {
                cmd.arg("*").arg("field");
            }
            Family::Text | Family::List | Family::Set => {}
        }
        if self.family != Family::Counter {
            self.values.push(number, size, false, &mut cmd);
        }
        if let Some(ms) = self.time_to_live(number) {
            cmd.arg("PX").arg(ms);
        }
        cmd
    }

    /// Time to live of a string \[ms\].
    fn time_to_live(&self, number: u64) -> Option<u64> {
        let is_string = matches!(self.family, Family::Text | Family::Counter);
        let (sampler, ttl) = (self.ttl.as_ref().filter(|_| is_string)?, self.dataset.ttl.as_ref()?);
        let mut draws = self.ttls.of(number);
        if draws.unit() >= self.dataset.ttl_share {
            return None;
        }
        let now = wall_ms();
        let whole = sampler.deadline(now, &mut draws).saturating_sub(now).max(1);
        Some(match ttl.age {
            TtlAge::New => whole,
            TtlAge::Spread => ((whole as f64 * draws.unit()) as u64).max(1),
        })
    }
}
