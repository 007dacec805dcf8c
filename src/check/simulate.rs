//! Prices of findings: this configuration, state and rate, simulated as they are and with each remedy, in the same random
//! world.
//!
//! A rewrite or a snapshot may be hours away; it is started by command early in the run, and how often it comes is told from
//! sizes and rates. A storm of expiries is a run of its own, of keys that are all due at
//! one moment.

use std::path::PathBuf;

use serde::Serialize;

use super::facts::{CHILD_BYTES_PER_S, Facts, Rate};
use super::finding::{Figures, Finding, Price, Simulated};
use super::rules;
use crate::cause::Cause;
use crate::experiment::{Assignment, Pool, Template};
use crate::observe::result::RunResult;
use crate::scenario::Scenario;
use crate::scenario::resolve::Overrides;
use crate::sim::{RunOptions, SimError, run};
use crate::units::{Nanos, SECOND, format_bytes, format_count, format_span};

/// Requests of one run at most.
const BUDGET: f64 = 3e6;
/// The same where a child would not end otherwise.
const STRETCHED: f64 = 12e6;
/// Shortest and longest run \[s\].
const DURATION_S: (f64, f64) = (30.0, 900.0);
/// When a child is started by command, and when the keys of a storm are due \[s\].
const AT_S: u64 = 5;
/// Not counted \[s\].
const WARMUP_S: u64 = 1;

/// How findings are priced.
#[derive(Clone, Debug)]
pub struct Options {
    /// Machine prices.
    pub model: String,
    /// Seed.
    pub seed: u64,
}

/// What was simulated, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulation {
    /// Machine prices.
    pub model: String,
    /// Seed.
    pub seed: u64,
    /// Commands a second.
    pub rate_per_s: f64,
    /// Simulated time of a run \[s\].
    pub duration_s: f64,
    /// Runs.
    pub runs: usize,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
}

/// What happens in a run beside the load.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Nothing,
    Rewrite,
    Snapshot,
    Storm(f64),
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
struct Job {
    event: Event,
    remedy: Vec<(&'static str, String)>,
}

/// What is kept of a child.
#[derive(Clone, Copy)]
struct Child {
    fork: Nanos,
    life: Nanos,
    end: Nanos,
    /// Bytes of its file and of what was written meanwhile.
    bytes: u64,
}

/// What is kept of a run.
struct Done {
    figures: Figures,
    /// The first child of each kind that ended well.
    rewrite: Option<Child>,
    snapshot: Option<Child>,
    /// Bytes a second that commands add to the AOF.
    aof_per_s: f64,
}

/// Prices `findings` in place. What stands in the way of it is given as text.
///
/// # Errors
/// What is lacking for a simulation, or why the model refuses it; [`SimError::Stopped`] is `None`.
pub fn price(
    facts: &Facts,
    findings: &mut [Finding],
    options: &Options,
    pool: &Pool,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Simulation>, Option<String>> {
    let Some(rate) = facts.rate() else {
        return Err(Some(
            "nothing was simulated: no rate is known (INFO's section Stats, or --rate)".to_owned(),
        ));
    };
    let priced = findings.iter().filter_map(|finding| finding.pricing.as_ref());
    let mut jobs: Vec<Job> = Vec::new();
    for pricing in priced {
        for job in
            [Some(as_it_is(pricing.price)), with_remedy(pricing.price, &pricing.remedy)].into_iter().flatten()
        {
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        }
    }
    if jobs.is_empty() {
        return Ok(None);
    }
    // Long enough for a child to end, if that does not cost too much.
    let child_s = 10.0 + 1.5 * facts.number_if_any("used_memory").unwrap_or(0.0) / CHILD_BYTES_PER_S;
    let allowed = |requests: f64| requests / rate.per_s;
    let duration_s =
        allowed(BUDGET).max(child_s.min(allowed(STRETCHED))).clamp(DURATION_S.0, DURATION_S.1).round();
    let scenarios = jobs.iter().map(|job| resolved(facts, &rate, duration_s, job, options));
    let scenarios = scenarios.collect::<Result<Vec<_>, _>>().map_err(Some)?;
    let outcomes = pool.map(jobs.len(), |index| one(&scenarios[index], goes_on));
    let done = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of = |job: &Job| jobs.iter().position(|other| other == job).map(|index| &done[index]);
    for finding in findings.iter_mut() {
        let Some(pricing) = &finding.pricing else { continue };
        let Some(before) = of(&as_it_is(pricing.price)) else { continue };
        let after = with_remedy(pricing.price, &pricing.remedy).and_then(|job| of(&job));
        let settings: Vec<String> =
            pricing.remedy.iter().map(|(key, value)| format!("{key}={value}")).collect();
        finding.simulated = Some(Simulated {
            text: words(facts, pricing.price, before, after, &settings),
            as_it_is: before.figures,
            with_remedy: after.map(|done| done.figures),
            settings,
        });
    }
    Ok(Some(Simulation {
        model: options.model.clone(),
        seed: options.seed,
        rate_per_s: rate.per_s,
        duration_s,
        runs: jobs.len(),
        assumptions: assumptions(facts, &rate),
    }))
}

fn as_it_is(price: Price) -> Job {
    let event = match price {
        Price::Rewrites => Event::Rewrite,
        Price::Snapshots => Event::Snapshot,
        Price::Storm(share) => Event::Storm(share),
        Price::Loss | Price::AofWaits | Price::Tail => Event::Nothing,
    };
    Job { event, remedy: Vec::new() }
}

/// The run with the remedy; what the remedy does away with is not started.
fn with_remedy(price: Price, remedy: &[(&'static str, String)]) -> Option<Job> {
    if remedy.is_empty() {
        return None;
    }
    let ends = |setting: &str| remedy.iter().any(|(key, _)| *key == setting);
    let event = match as_it_is(price).event {
        Event::Rewrite if ends("redis.auto-aof-rewrite-percentage") => Event::Nothing,
        Event::Snapshot if ends("redis.save") => Event::Nothing,
        event => event,
    };
    Some(Job { event, remedy: remedy.to_vec() })
}

/// Why there was no simulation.
fn refused(why: &str) -> String {
    format!("nothing was simulated: {}", why.replace("\n  ", "; "))
}

/// The scenario of one job.
fn resolved(
    facts: &Facts,
    rate: &Rate,
    duration_s: f64,
    job: &Job,
    options: &Options,
) -> Result<Scenario, String> {
    let overrides = Overrides { seed: Some(options.seed), ..Overrides::default() };
    let text = scenario(facts, rate, duration_s, job.event, &options.model);
    let template = Template::new(text, "this server".to_owned(), PathBuf::from("."), overrides);
    let assignment =
        |(key, value): &(&'static str, String)| Assignment { key: (*key).to_owned(), value: value.clone() };
    let assignments: Vec<Assignment> = job.remedy.iter().map(assignment).collect();
    template.with(&assignments).map_err(|problems| refused(&problems.to_string()))
}

/// Simulates one scenario; none for the reason if it was stopped.
fn one(scenario: &Scenario, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Done, Option<String>> {
    match run(scenario, &RunOptions::default(), &mut |_| goes_on()) {
        Ok(result) => Ok(done(&result)),
        Err(SimError::Stopped) => Err(None),
        Err(error) => Err(Some(refused(&format!("{error} with model {}", scenario.machine.name)))),
    }
}

/// The scenario of this server as a file.
fn scenario(facts: &Facts, rate: &Rate, duration_s: f64, event: Event, model: &str) -> String {
    let dump = facts.info.as_ref().map(|info| &info.dump);
    let keys = facts.keys().unwrap_or(0).max(1000);
    let value = facts.value_bytes().unwrap_or(100);
    let number = |number: Option<u64>| number.filter(|number| *number > 0);
    let mut text = format!("[redis]\nversion = \"{}\"\n{}", facts.version, facts.settings.toml());
    let write_share = if rate.per_s > 0.0 { rate.writes_per_s / rate.per_s } else { 1.0 };
    let mix = format!("mix = {{ SET = {write_share:.6}, GET = {:.6} }}", 1.0 - write_share);
    match event {
        Event::Storm(share) => {
            let volatile = number(dump.and_then(|dump| dump.expires)).unwrap_or(keys);
            let due = ((volatile as f64 * share) as u64).max(1000);
            text += &format!(
                "[dataset]\nkeys = {due}\nkey-size = \"20B\"\nvalue-size = \"{value}B\"\n\
                 ttl = {{ dist = \"fixed\", value = \"{AT_S}s\" }}\n[[workload]]\noperation = \"GET\"\n"
            );
        }
        _ => {
            text += &format!("[dataset]\nkeys = {keys}\nkey-size = \"20B\"\nvalue-size = \"{value}B\"\n");
            let sizes = [
                ("used-memory", number(dump.and_then(|dump| dump.used_memory))),
                ("used-memory-rss", number(dump.and_then(|dump| dump.used_memory_rss))),
                ("aof-base-size", number(dump.and_then(|dump| dump.aof_base_size))),
                ("aof-current-size", number(dump.and_then(|dump| dump.aof_current_size))),
            ];
            text += "[start]\n";
            sizes.iter().filter_map(|(key, size)| Some((key, (*size)?))).for_each(|(key, size)| {
                text += &format!("{key} = \"{size}B\"\n");
            });
            text += &format!("[[workload]]\n{mix}\n");
        }
    }
    let connections = number(dump.and_then(|dump| dump.connected_clients)).unwrap_or(50).min(10_000);
    text += &format!("loop = \"open\"\nrate = \"{}/s\"\nconnections = {connections}\n", rate.per_s);
    let command = match event {
        Event::Rewrite if facts.settings.config.appendonly => "BGREWRITEAOF",
        Event::Snapshot => "BGSAVE",
        _ => "",
    };
    if !command.is_empty() {
        text += &format!("[[event]]\nat = \"{AT_S}s\"\ndo = \"{command}\"\n");
    }
    text += &format!("[machine]\nmodel = {model:?}\n");
    if let Some(per_gib) = facts.fork_ms_per_gib() {
        text += &format!("fork.per-gib = \"{per_gib:.3}ms\"\n");
    }
    text + &format!("[run]\nduration = \"{duration_s}s\"\nwarmup = \"{WARMUP_S}s\"\nwindows = [\"10s\"]\n")
}

fn done(result: &RunResult) -> Done {
    let all = result.scopes.iter().find(|scope| scope.name == "all");
    let quantile = |q: f64| all.map_or(0, |all| all.sojourn.quantile(q));
    let longest = |causes: &[Cause]| {
        let blocks = result.blocks.iter().filter(|blocks| causes.contains(&blocks.cause));
        blocks.map(|blocks| blocks.longest).max().unwrap_or(0)
    };
    let waits = [
        Cause::AofWrite,
        Cause::AofWritePendingFsync,
        Cause::AofWriteThrottled,
        Cause::AofFsyncAlways,
        Cause::AofRewriteDiffWrite,
    ];
    let child = |kind: &str| {
        let child =
            result.children.iter().find(|child| child.ok && child.duration > 0 && child.kind == kind)?;
        let bytes = child.file_bytes + child.written_meanwhile_bytes;
        Some(Child { fork: child.fork, life: child.duration, end: child.end_stall, bytes })
    };
    let measured = result.duration.saturating_sub(result.warmup).max(1) as f64 / SECOND as f64;
    Done {
        figures: Figures {
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: all.map_or(0, |all| all.sojourn.max()),
            p99_ns_worst_10s: all.and_then(|all| all.windows.first()).map_or(0, |window| window.p99_worst),
            fork_ns_max: longest(&[Cause::Fork]),
            child_end_ns_max: result.children.iter().map(|child| child.end_stall).max().unwrap_or(0),
            aof_wait_ns_max: longest(&waits),
            expire_slice_ns_max: longest(&[Cause::ExpireCycle]),
            machine_death_writes_max: result.loss.machine_death_writes_max,
            machine_death_seconds_max: result.loss.machine_death_seconds_max,
        },
        rewrite: child("aof-rewrite"),
        snapshot: child("bgsave"),
        aof_per_s: result.counters.aof_bytes as f64 / measured,
    }
}

/// Time between rewrites, by what the run has shown of sizes and rates \[s\].
fn rewrite_period_s(facts: &Facts, done: &Done) -> Option<f64> {
    let config = &facts.settings.config;
    let (child, percentage) = (done.rewrite?, config.auto_aof_rewrite_percentage as f64 / 100.0);
    let base = child.bytes as f64;
    let at = (base * (1.0 + percentage)).max(config.auto_aof_rewrite_min_size as f64);
    let runs = percentage > 0.0 && done.aof_per_s > 0.0;
    runs.then(|| (at - base) / done.aof_per_s + child.life as f64 / SECOND as f64)
}

fn span(s: f64) -> String {
    format_span((s.max(0.0) * SECOND as f64) as Nanos)
}

/// `a rewrite every 22 min stalls 110 ms at fork, 12.0 ms at its end (after 86.3 s)`.
fn stalls(what: &str, every: Option<f64>, child: Option<Child>) -> String {
    let every = every.map_or_else(String::new, |s| format!(" every {}", rules::every(s)));
    match child {
        Some(Child { fork, life, end, .. }) if end > 0 => format!(
            "a {what}{every} stalls {} at fork, {} at its end (after {})",
            format_span(fork),
            format_span(end),
            format_span(life)
        ),
        Some(Child { fork, life, .. }) => {
            format!("a {what}{every} stalls {} at fork and lasts {}", format_span(fork), format_span(life))
        }
        None => format!("a {what} comes{every} and does not end within the run"),
    }
}

/// What of a run belongs to `price`, in words; none where what it prices did not happen.
fn subject(facts: &Facts, price: Price, done: &Done, is_remedy: bool) -> Option<String> {
    let Figures { machine_death_writes_max: writes, machine_death_seconds_max: s, .. } = done.figures;
    match price {
        Price::Rewrites | Price::Snapshots if is_remedy && done.child(price).is_none() => None,
        Price::Rewrites => {
            let every = facts.rewrite_period_s().or_else(|| rewrite_period_s(facts, done));
            Some(stalls("rewrite", every, done.rewrite))
        }
        Price::Snapshots => Some(stalls("snapshot", facts.snapshot_period_s(), done.snapshot)),
        Price::Loss => Some(format!(
            "a machine's death loses up to {} acknowledged writes ({})",
            format_count(writes as f64),
            span(s)
        )),
        Price::AofWaits if done.figures.aof_wait_ns_max == 0 => {
            Some("on the model's disk nobody waits for the AOF: this one is slower".to_owned())
        }
        Price::AofWaits => {
            Some(format!("the longest wait for the AOF is {}", format_span(done.figures.aof_wait_ns_max)))
        }
        Price::Storm(_) => Some(format!("slices of up to {}", format_span(done.figures.expire_slice_ns_max))),
        Price::Tail if done.figures.fork_ns_max == 0 => None,
        Price::Tail => Some(format!("the longest fork takes {}", format_span(done.figures.fork_ns_max))),
    }
}

impl Done {
    fn child(&self, price: Price) -> Option<Child> {
        if price == Price::Rewrites { self.rewrite } else { self.snapshot }
    }

    /// `P99 352 us, in the worst 10 s 42.9 ms, at most 141 ms`.
    fn tail(&self) -> String {
        format!(
            "P99 {}, in the worst 10 s {}, at most {}",
            format_span(self.figures.p99_ns),
            format_span(self.figures.p99_ns_worst_10s),
            format_span(self.figures.max_ns)
        )
    }
}

/// What the runs say, in words.
fn words(facts: &Facts, price: Price, before: &Done, after: Option<&Done>, settings: &[String]) -> String {
    let sentence = |subject: Option<String>, done: &Done| match subject {
        Some(subject) => format!("{subject}; {}.", done.tail()),
        None => format!("{}.", done.tail()),
    };
    let mut text = sentence(subject(facts, price, before, false), before);
    if let Some(after) = after {
        text += &format!(
            " With {}: {}",
            settings.join(", "),
            sentence(subject(facts, price, after, true), after)
        );
        let (was, is) =
            (before.figures.machine_death_writes_max as f64, after.figures.machine_death_writes_max as f64);
        if price != Price::Loss && (is - was).abs() > 0.1 * was {
            let (was, is) = (format_count(was), format_count(is));
            text += &format!(" A machine's death then loses up to {is} acknowledged writes, now {was}.");
        }
    }
    text[..1].to_uppercase() + &text[1..]
}

/// What a simulation takes for granted here.
fn assumptions(facts: &Facts, rate: &Rate) -> Vec<String> {
    let mut list = vec![format!("{}/s, by {}", format_count(rate.per_s), rate.from)];
    let writes = (100.0 * rate.writes_per_s / rate.per_s).round();
    list.push(match rate.mix_from {
        Some(from) if writes >= 100.0 => format!("all of them SETs, by {from}"),
        Some(from) => format!("{writes:.0} % SETs, the rest GETs, by {from}"),
        None => "all of them SETs: no commandstats were given".to_owned(),
    });
    match facts.keys() {
        Some(keys) => list.push(format!(
            "{} keys of 20 B with values of {} each, by INFO's memory",
            format_count(keys as f64),
            format_bytes(facts.value_bytes().unwrap_or(100))
        )),
        None => list.push("1,000 keys with values of 100 B: no INFO was given".to_owned()),
    }
    list.push(match facts.fork_ms_per_gib() {
        Some(per_gib) => format!("a fork takes {per_gib:.1} ms a GiB, as the latest did"),
        None => "a fork takes what the model says".to_owned(),
    });
    list.push("replicas, redirects, collections and commands of other kinds are left out".to_owned());
    list
}
