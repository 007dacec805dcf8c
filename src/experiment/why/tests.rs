use super::*;
use crate::experiment::Pool;
use crate::experiment::replications::Watch;
use crate::scenario::builtin;
use crate::scenario::resolve::Overrides;

struct Nobody;

impl Watch for Nobody {
    fn goes_on(&self) -> bool {
        true
    }

    fn finished(&self) {}
}

fn article(set: &[&str]) -> (Template, Scenario) {
    let overrides =
        Overrides { set: set.iter().map(|set| set.to_string()).collect(), ..Overrides::default() };
    let text = builtin::get("article").expect("built in").to_owned();
    let template = Template::new(text, "article".to_owned(), ".".into(), overrides);
    let scenario = template.resolve().unwrap_or_else(|problems| panic!("{problems}"));
    (template, scenario)
}

/// Snapshots every few seconds, whose forks take 40 ms.
const FORKS: &[&str] = &[
    "run.duration=40s",
    "run.warmup=1s",
    "dataset.memory=256MiB",
    "workload.rate=1000/s",
    "redis.save=9 100",
    "redis.appendonly=no",
    "machine.fork.base=40ms",
];

fn findings(stopping: &Stopping, jobs: usize) -> (Findings, u64) {
    let (template, scenario) = article(FORKS);
    let causes = [Cause::ManifestFsync, Cause::Cron, Cause::Fork, Cause::Command];
    let changes: Vec<Change> = causes.into_iter().map(Without::of).map(Change::Without).collect();
    let horizon = Horizon { duration: 20_000_000_000, warmup: 1_000_000_000, replications: 4, whole: None };
    let (pool, metrics) = (Pool::new(jobs).expect("threads"), metrics());
    let runs = Runs { metrics: &metrics, pool: &pool, watch: &Nobody };
    let planned = std::cell::Cell::new(0);
    let count = |runs| planned.set(planned.get() + runs);
    let found = find((&template, &scenario), (&changes, &horizon), stopping, &runs, &count);
    (found.expect("it runs"), planned.get())
}

fn cause(effect: &Effect) -> Cause {
    match &effect.change {
        Change::Without(without) => without.cause,
        Change::Remedy(remedy) => panic!("{remedy:?} was not asked for"),
    }
}

#[test]
fn the_cause_with_the_largest_gain_comes_first_and_names_the_quantile() {
    let (found, planned) = findings(&Stopping::After(4), 2);
    // Command cannot go and is not run: three worlds and the scenario as it is.
    assert_eq!((found.replications, planned), (4, 16));
    let first = &found.without[0];
    assert_eq!(cause(first), Cause::Fork);
    // A fork of 40 ms or more every 10 s or so delays 0.4 % of the requests, up to its length.
    assert_eq!(found.headline, "p999");
    let (base, after) = (first.base("p999").expect("a value"), first.mean("p999").expect("a value"));
    assert!(base > 25e6 && base < 45e6 && after.high < 10e6, "{base} {after:?}");
    assert!((first.gain("p999") - (base - after.value)).abs() < 1e-3);
    assert!(first.base("max").expect("a value") > 40e6);
    let of =
        |which: Cause| found.without.iter().find(|effect| cause(effect) == which).expect("it was asked for");
    // Without an AOF there is no manifest, and the world without its syncs is the same.
    let same = of(Cause::ManifestFsync).row("p999").expect("a row");
    assert_eq!(same.verdict, Verdict::NoDifferenceSeen);
    assert_eq!(same.compared.as_ref().map(|paired| paired.difference.value), Ok(0.0));
    assert_eq!(of(Cause::Command).rows.as_ref().err().map(String::as_str), Some("it is the work itself"));
    assert_eq!((of(Cause::Command).gain("p999"), of(Cause::ManifestFsync).gain("p999")), (0.0, 0.0));
}

#[test]
fn findings_do_not_depend_on_the_number_of_threads() {
    let text = |jobs| format!("{:?}", findings(&Stopping::After(2), jobs).0);
    assert_eq!(text(1), text(2));
}

#[test]
fn replications_are_added_until_every_difference_is_known() {
    let goal = crate::experiment::precision::Goal::parse("p999=50%").expect("a goal");
    let (found, _) = findings(&Stopping::When { goals: vec![goal], budget: 12 }, 2);
    let reached = &found.goals[0];
    assert!(found.replications >= 10 && reached.met, "{:?}", found.goals);
    let look = reached.look.expect("a look");
    let widest = found.without.iter().filter_map(|effect| effect.row("p999")?.compared.as_ref().ok());
    let widest =
        widest.map(|paired| 0.5 * (paired.difference.high - paired.difference.low)).fold(0.0, f64::max);
    assert!(widest > 0.0 && (look.half_width - widest).abs() < 1e-9 * widest, "{look:?} {widest}");
}

#[test]
fn a_plan_has_the_largest_causes_and_says_what_it_leaves_out() {
    let (template, mut scenario) = article(FORKS);
    scenario.run.duration /= 2;
    let run = crate::sim::run(&scenario, &crate::sim::RunOptions::default(), &mut |_| true).expect("it runs");
    let plan = |top| Plan::of(&template, &scenario, &run, &Wanted { top, horizon: None, replications: None });
    let causes = |plan: &Plan| -> Vec<Cause> {
        let of = |change: &Change| match change {
            Change::Without(without) => Some(without.cause),
            Change::Remedy(_) => None,
        };
        plan.changes.iter().filter_map(of).collect()
    };
    let (all, one) = (plan(100), plan(1));
    assert!(all.left_out.is_empty() && causes(&all).len() > 2);
    assert_eq!(causes(&one), causes(&all)[..1]);
    assert_eq!(one.left_out, causes(&all)[1..]);
    let stays: Vec<Cause> = all.staying().into_iter().map(|stays| stays.0).collect();
    assert!(stays.contains(&Cause::Command) && !stays.contains(&Cause::Fork));
}
