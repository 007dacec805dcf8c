//! Cost models: what one machine charges for each operation, read from `models/*.toml`.
//!
//! `price.rs` is the table of prices, `unit.rs` their units and text form, `read.rs` the file
//! format, `entry.rs` one price of it.

mod entry;
pub mod price;
mod read;
pub mod unit;

use std::io;
use std::path::Path;

use crate::cause::Causes;
use crate::cost_model::{
    ChildSpeed, Client, Cluster, CostModel, Cow, Cpu, Disk, Fork, HugeCow, Machine, MemoryPrices, Network,
    Noise,
};
use crate::dist::Dist;
use crate::scenario::files::Files;
use crate::scenario::problem::{Problem, Problems, nearest};
pub use read::parse;
use unit::Unit;

/// Name of the model used when nothing names one.
pub const DEFAULT: &str = "cloud-vm";

const BUILT_IN: &[(&str, &str)] = &[
    ("bare-metal-nvme", include_str!("../../models/bare-metal-nvme.toml")),
    ("cloud-vm", include_str!("../../models/cloud-vm.toml")),
    ("hdd-raid", include_str!("../../models/hdd-raid.toml")),
    ("two-core-vm", include_str!("../../models/two-core-vm.toml")),
    ("vm-thp", include_str!("../../models/vm-thp.toml")),
    ("xen-2012", include_str!("../../models/xen-2012.toml")),
];

/// Where a model and each of its prices come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSource {
    /// Name of the model.
    pub name: String,
    /// The machine in one line (`meta.machine`).
    pub machine: String,
    /// How the values were got (`meta.how`).
    pub how: String,
    /// When (`meta.date`).
    pub date: String,
    /// Every price; classes of gaps one by one as `noise.class.1`, ….
    pub prices: Vec<PriceSource>,
}

/// One price as its file gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceSource {
    /// Dotted name, `fork.per-gib`.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Value as [`override_price`] reads it.
    pub value: String,
    /// Where the value is from.
    pub source: String,
    /// Range in which the true value is believed to be: `7ms to 12ms`, factors `x0.5 to x2` for distributions,
    /// curves and gaps, `-` for switches.
    pub range: String,
}

/// Name and text of every built-in model, by name.
pub fn builtin() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.iter().copied()
}

/// Name and machine of every built-in model in one line each, for `list models`.
pub fn descriptions() -> Vec<(&'static str, String)> {
    let describe = |(name, text)| Some((name, parse(text, name, name).ok()?.1.machine));
    builtin().filter_map(describe).collect()
}

/// Loads a built-in model by name, or a model file by path.
pub fn load(name_or_path: &str) -> Result<(CostModel, ModelSource), Problems> {
    load_with(name_or_path, &Files::default())
}

/// The same, with files read through `files`.
pub fn load_with(name_or_path: &str, files: &Files) -> Result<(CostModel, ModelSource), Problems> {
    if let Some((name, text)) = builtin().find(|model| model.0 == name_or_path) {
        return parse(text, &format!("models/{name}.toml"), name);
    }
    let path = Path::new(name_or_path);
    let problem = |read: String, remedies| {
        let file = name_or_path.to_string();
        Err(Problems(vec![Problem { file, line: 0, column: 0, read, remedies }]))
    };
    if path.components().count() == 1 && path.extension().is_none() && !path.exists() {
        let names: Vec<&str> = builtin().map(|model| model.0).collect();
        let mut remedies: Vec<String> = nearest(name_or_path, names.iter().copied())
            .map(|n| format!("did you mean {n:?}?"))
            .into_iter()
            .collect();
        remedies.push(format!("expected a file or one of: {}", names.join(", ")));
        return problem("unknown model".to_string(), remedies);
    }
    let text = files.read(path).and_then(|bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    match text {
        Ok(text) => {
            let stem =
                path.file_stem().map_or(name_or_path.to_string(), |stem| stem.to_string_lossy().into_owned());
            parse(&text, name_or_path, &stem)
        }
        Err(error) => problem(format!("cannot be read: {error}"), Vec::new()),
    }
}

/// Sets one price by its dotted name (`fork.per-gib`, `12ms`), or multiplies the model's own (`x1.5`, see
/// [`unit::Value::scaled`]). Errors say what is wrong and what is expected.
pub fn override_price(model: &mut CostModel, dotted: &str, value: &str) -> Result<(), String> {
    let Some(price) = price::find(dotted) else {
        let known = price::PRICES.iter().map(|price| price.name);
        let near = nearest(dotted, known).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        return Err(format!("{dotted}: unknown price{near}"));
    };
    let factor = value.trim().strip_prefix('x').and_then(|factor| factor.parse::<f64>().ok());
    let value = match factor.filter(|factor| factor.is_finite() && *factor >= 0.0) {
        Some(factor) => price.get(model).scaled(price.unit, factor),
        None => price.unit.parse(value),
    };
    let expected = |error| format!("{dotted}: {error}; expected {}", price.unit.expected());
    price.set(model, value.map_err(expected)?).map_err(|error| format!("{dotted}: {error}"))
}

/// Every price of a model as (dotted name, value as [`override_price`] reads it), in the order of the file format.
pub fn values(model: &CostModel) -> Vec<(&'static str, String)> {
    let mut model = model.clone();
    price::PRICES.iter().map(|price| (price.name, price.get(&mut model).text(price.unit))).collect()
}

/// What contradicts itself across prices, one sentence each.
pub fn contradictions(model: &CostModel) -> Vec<String> {
    let mut found = Vec::new();
    if model.disk.dirty_background > model.disk.dirty_limit {
        found.push("disk.dirty-background is above disk.dirty-limit".to_string());
    }
    if model.fork.per_gib_huge > model.fork.per_gib {
        found.push("fork.per-gib-huge is above fork.per-gib".to_string());
    }
    found
}

/// A model in which nothing costs anything, to be filled from a file or for tests of mechanisms in isolation.
pub fn blank(name: &str) -> CostModel {
    let free = Dist::Fixed(0.0);
    CostModel {
        name: name.to_string(),
        server: String::new(),
        machine: Machine {
            cores: 1,
            tick: 4_000_000,
            memory: u64::MAX,
            overcommit: true,
            thp_always: false,
            l3: 0,
            l2: 0,
        },
        cpu: Cpu {
            turn: 0,
            read: 0,
            write: 0,
            ping: 0,
            get: 0,
            set: 0,
            incr: 0,
            del: 0,
            hset: 0,
            push: 0,
            sadd: 0,
            zadd: 0,
            xadd: 0,
            expire: 0,
            xread: 0,
            xread_entry: 0,
            xack: 0,
            stream_trim_entry: 0,
            hot_key_saving: 0,
            script: 0,
            script_call: 0,
            multi: 0,
            per_element: 0,
            per_kib: 0.0,
            aof_append: 0,
            aof_append_per_kib: 0.0,
            cron: 0,
            wakeup: Vec::new(),
            wake_client: Vec::new(),
            rehash_step: 0,
            evict_key: 0,
            replica_command: 0,
            replica_write: 0,
            pipe_copy: 0,
            expire_key: 0,
            expire_sample: 0,
        },
        network: Network { one_way: 0, wake_server: Vec::new(), jitter: free.clone(), per_kib: 0.0 },
        client: Client {
            local: false,
            threads: 1,
            per_reply: 0,
            per_send: 0,
            per_command: 0,
            per_kib: 0.0,
            wakeup: Vec::new(),
        },
        disk: Disk {
            bandwidth: f64::MAX,
            write: 0,
            page_cache_bandwidth: f64::MAX,
            fdatasync: free.clone(),
            fdatasync_busy: free,
            fdatasync_per_kib: 0.0,
            fdatasync_cpu: 0,
            dirty_background: u64::MAX,
            dirty_limit: u64::MAX,
            dirty_expire: 30 * crate::units::SECOND,
            dirty_writeback: 5 * crate::units::SECOND,
            write_waits_for_fdatasync: false,
            free: u64::MAX,
        },
        fork: Fork { base: 0, per_gib: 0.0, per_gib_huge: 0.0 },
        cow: Cow {
            fault: 0,
            fault_huge: 0,
            huge: HugeCow::Split,
            reprotect: 0,
            pages_per_set: 0.0,
            pages_per_update: 0.0,
        },
        child: ChildSpeed {
            rdb_per_key: 0,
            rdb_per_kib: 0.0,
            rdb_per_kib_compressed: 0.0,
            aof_per_key: 0,
            aof_per_kib: 0.0,
            compressed_ratio: 1.0,
        },
        memory: MemoryPrices {
            first_touch: 0,
            free_per_mib: 0,
            free_element: 0,
            memmove_bandwidth: f64::MAX,
        },
        cluster: Cluster {
            slot_lookup: 0,
            redirect: 0,
            migrate: 0,
            migrate_per_key: 0,
            migrate_per_kib: 0.0,
            migrate_per_element: 0,
            restore_per_key: 0,
            restore_per_kib: 0.0,
            restore_per_element: 0,
            setslot: 0,
            get_keys: 0,
            get_keys_per_key: 0,
            slots_per_range: 0,
            slots_walk: 0,
            config_write: 0,
            config_write_per_node: 0,
        },
        noise: Noise::default(),
        free: Causes::default(),
    }
}

#[cfg(test)]
mod tests;
