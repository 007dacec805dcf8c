//! The JSON object of `run`: stable names, base units; keys are added, never taken away.

mod blame;
mod cluster;
mod expiry;
mod hot_key;
mod output;
pub mod patterns;
pub mod replicas;
mod streams;

pub use blame::{BandOutput, BlameOutput};
pub use cluster::ClusterOutput;
pub use expiry::*;
pub use hot_key::HotKeyOutput;
pub use output::*;
pub use streams::StreamOutput;

use super::intervals::Intervals;
use super::quantiles::Quantiles;
use super::{About, busy_share, per_s, seconds};
use crate::cause::Cause;
use crate::observe::result::{ChildRow, InfoValue, RunResult, Scope, WindowQuantiles};
use crate::observe::spent::GroupSpent;

/// The JSON object of a run.
pub fn run_output(result: &RunResult, about: &About) -> RunOutput {
    let all = result.scopes.iter().find(|scope| scope.name == "all");
    let closed = Quantiles::of(&result.closed_loop_view);
    let failed = result.cluster.as_ref().map(|cluster| &cluster.failed);
    RunOutput {
        writepath: env!("CARGO_PKG_VERSION"),
        scenario: result.scenario.clone(),
        redis_version: result.version.to_string(),
        model: result.model.clone(),
        seed: result.seed,
        duration_s: seconds(result.duration),
        warmup_s: seconds(result.warmup),
        loop_kind: about.loop_kind.name(),
        requests: result.requests,
        completed: result.completed,
        errors: ErrorCounts {
            moved: failed.map_or(0, |failed| failed.redirect_limit),
            ask: failed.map_or(0, |failed| failed.ask),
            tryagain: failed.map(|failed| failed.tryagain),
            clusterdown: failed.map(|failed| failed.clusterdown),
            crossslot: failed.map(|failed| failed.crossslot),
            oom: result.errors.oom,
            misconf: result.errors.misconf,
            connection_lost: result.errors.connection_lost,
            noreplicas: result.errors.noreplicas,
        },
        throughput_per_s: per_s(result.completed, result),
        server_busy_share: busy_share(result),
        sojourn_ns: all.map_or_else(Quantiles::default, |scope| Quantiles::of(&scope.sojourn)),
        intervals: all.and_then(|scope| Intervals::of(result, scope)),
        closed_loop_view_ns: ClosedLoopView { p99: closed.p99, p999: closed.p999, max: closed.max },
        windows: all.map_or_else(Vec::new, windows),
        groups: result
            .scopes
            .iter()
            .filter(|scope| !scope.operation.is_empty())
            .map(|scope| group(result, scope))
            .collect(),
        busy_ns: Cause::ALL.iter().map(|&cause| (cause.name(), result.busy[cause as usize])).collect(),
        stalls: result
            .stalls
            .iter()
            .map(|stall| StallOutput {
                cause: stall.cause,
                at_s: seconds(stall.at),
                span_ns: stall.span,
                detail: stall.detail.clone(),
            })
            .collect(),
        counters: CounterOutput::from(&result.counters),
        loss: loss(result),
        info: result.info.iter().map(|(name, value)| (name.clone(), info(value))).collect(),
        memory: MemoryOutput {
            used_bytes: result.memory.used_bytes,
            rss_bytes_max: result.memory.rss_bytes_max,
            cow_bytes_max: result.memory.cow_bytes_max,
            rewrite_buffer_bytes_max: result.memory.rewrite_buffer_bytes_max,
            bytes_per_key: result.memory.bytes_per_key,
        },
        expiry: result.expiry.as_ref().map(ExpiryOutput::from),
        persistence: PersistenceOutput { children: result.children.iter().map(child).collect() },
        hot_key: result.hot_key.as_ref().map(HotKeyOutput::from),
        machine_uncertainty: None,
        streams: result.streams.as_ref().map(StreamOutput::from),
        replicas: replicas::replicas(result.replication.as_ref()),
        replication: replicas::replication(result.replication.as_ref()),
        patterns: (!result.patterns.is_empty())
            .then(|| result.patterns.iter().map(patterns::output).collect()),
        cluster: result.cluster.as_ref().map(|cluster| ClusterOutput::of(cluster, result)),
        blame: result.blame.as_ref().map(BlameOutput::from),
        traced_request: None,
    }
}

/// `result.json`: the object that `--format json` prints, with the answer in words ahead of it.
pub fn with_answer(output: &impl serde::Serialize, answer: &[String]) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Answered<'a, T> {
        answer: &'a [String],
        #[serde(flatten)]
        output: &'a T,
    }
    let mut bytes =
        serde_json::to_vec_pretty(&Answered { answer, output }).expect("plain values are always JSON");
    bytes.push(b'\n');
    bytes
}

/// The JSON Schema of [`RunOutput`].
pub fn run_schema() -> serde_json::Value {
    schemars::schema_for!(RunOutput).to_value()
}

fn windows(scope: &Scope) -> Vec<WindowOutput> {
    let output = |w: &WindowQuantiles| {
        let some = |value| (w.count > 0).then_some(value);
        WindowOutput {
            window_s: seconds(w.window),
            windows: w.count,
            p99_ns_median: some(w.p99_median),
            p99_ns_worst: some(w.p99_worst),
            p999_ns_worst: some(w.p999_worst),
            p99_worst_at_s: (w.count > 0).then(|| seconds(w.p99_worst_at)),
        }
    };
    scope.windows.iter().map(output).collect()
}

fn group(result: &RunResult, scope: &Scope) -> GroupOutput {
    let spent = result.spent.iter().find(|(name, _)| *name == scope.name).map(|(_, spent)| spent);
    GroupOutput {
        name: scope.name.clone(),
        operation: scope.operation.clone(),
        requests: scope.sojourn.count(),
        sojourn_ns: Quantiles::of(&scope.sojourn),
        intervals: Intervals::of(result, scope),
        aof_bytes_per_command: spent.and_then(GroupSpent::aof_bytes_per_command),
        cow_faults_per_command: spent.and_then(GroupSpent::cow_faults_per_command),
        cpu_ns_per_command: spent.and_then(GroupSpent::cpu_per_command),
    }
}

fn loss(result: &RunResult) -> LossOutput {
    let loss = &result.loss;
    LossOutput {
        process_death_writes_mean: loss.process_death_writes_mean,
        process_death_writes_max: loss.process_death_writes_max,
        machine_death_writes_mean: loss.machine_death_writes_mean,
        machine_death_writes_p99: loss.machine_death_writes_p99,
        machine_death_writes_max: loss.machine_death_writes_max,
        machine_death_seconds_mean: loss.machine_death_seconds_mean,
        machine_death_seconds_max: loss.machine_death_seconds_max,
    }
}

fn info(value: &InfoValue) -> InfoOutput {
    match value {
        InfoValue::Int(int) => InfoOutput::Int(*int),
        InfoValue::Ratio(ratio) => InfoOutput::Ratio(*ratio),
        InfoValue::Text(text) => InfoOutput::Text(text.clone()),
    }
}

fn child(child: &ChildRow) -> ChildOutput {
    ChildOutput {
        kind: child.kind,
        trigger: child.trigger.clone(),
        start_s: seconds(child.start),
        fork_ns: child.fork,
        duration_s: seconds(child.duration),
        cow_bytes: child.cow_bytes,
        file_bytes: child.file_bytes,
        end_stall_ns: child.end_stall,
        residual_bytes: child.residual_bytes,
        written_meanwhile_bytes: child.written_meanwhile_bytes,
        written_meanwhile_commands: child.written_meanwhile_commands,
        ok: child.ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use serde_json::Value;

    /// The keys the interface promises; more may come.
    const PROMISED: &str = r#"{
      "writepath": 0, "scenario": 0, "redis_version": 0, "model": 0, "seed": 0, "duration_s": 0, "warmup_s": 0,
      "loop": 0, "requests": 0, "completed": 0, "errors": {"MOVED": 0, "ASK": 0, "OOM": 0, "MISCONF": 0},
      "throughput_per_s": 0, "server_busy_share": 0,
      "sojourn_ns": {"mean": 0, "p50": 0, "p90": 0, "p99": 0, "p999": 0, "p9999": 0, "max": 0},
      "closed_loop_view_ns": {"p99": 0, "p999": 0, "max": 0},
      "windows": [{"window_s": 0, "windows": 0, "p99_ns_median": 0, "p99_ns_worst": 0, "p999_ns_worst": 0}],
      "groups": [{"name": 0, "operation": 0, "requests": 0, "sojourn_ns": {"mean": 0}}],
      "busy_ns": {"command": 0, "fork": 0, "cow": 0, "aof-write": 0},
      "stalls": [{"cause": 0, "at_s": 0, "span_ns": 0, "detail": 0}],
      "counters": {"forks": 0, "aof_rewrites": 0, "aof_delayed_fsync": 0, "expired_keys": 0, "sync_full": 0,
                   "eventloop_cycles": 0},
      "loss": {"process_death_writes_mean": 0, "machine_death_writes_mean": 0, "machine_death_writes_max": 0,
               "machine_death_seconds_max": 0},
      "info": {"latest_fork_usec": 0, "aof_current_size": 0},
      "memory": {"used_bytes": 0, "rss_bytes_max": 0, "cow_bytes_max": 0, "rewrite_buffer_bytes_max": 0,
                 "bytes_per_key": 0},
      "persistence": {"children": [{"kind": 0, "start_s": 0, "fork_ns": 0, "duration_s": 0, "cow_bytes": 0,
                      "file_bytes": 0, "end_stall_ns": 0, "residual_bytes": 0}]}
    }"#;

    fn assert_has(promised: &Value, printed: &Value, path: &str) {
        match promised {
            Value::Object(keys) => {
                for (key, value) in keys {
                    let found = printed.get(key).unwrap_or_else(|| panic!("{path}.{key} is missing"));
                    assert_has(value, found, &format!("{path}.{key}"));
                }
            }
            Value::Array(items) => {
                let found = printed.get(0).unwrap_or_else(|| panic!("{path} is empty"));
                assert_has(&items[0], found, path);
            }
            _ => assert!(!printed.is_object() && !printed.is_null(), "{path} is {printed}"),
        }
    }

    #[test]
    fn every_promised_key_is_printed() {
        let printed = serde_json::to_value(run_output(&fixture::forks(), &fixture::about())).unwrap();
        assert_has(&serde_json::from_str(PROMISED).unwrap(), &printed, "");
    }

    #[test]
    fn quantiles_of_nothing_are_null() {
        let printed = serde_json::to_value(run_output(&fixture::nothing(), &fixture::about())).unwrap();
        assert_eq!(printed["sojourn_ns"]["p99"], Value::Null);
        assert_eq!(printed["closed_loop_view_ns"]["max"], Value::Null);
        assert_eq!(printed["throughput_per_s"], 0.0);
    }

    #[test]
    fn the_committed_schema_is_the_one_the_program_prints() {
        let committed: Value = serde_json::from_str(include_str!("../../../experiments/run.schema.json"))
            .expect("experiments/run.schema.json is JSON");
        assert_eq!(committed, run_schema(), "run: writepath schema run > experiments/run.schema.json");
    }
}
