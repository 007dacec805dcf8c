//! `validate` with the simulator as the measured side: no server is needed to see that right prices pass and wrong ones do not.

use writepath::cost_model::CostModel;
use writepath::experiment::Pool;
use writepath::models;
use writepath::scenario::Scenario;
use writepath::scenario::resolve::Overrides;
use writepath::validate::case::Case;
use writepath::validate::noise::Canary;
use writepath::validate::observed::Observed;
use writepath::validate::outcome::{Row, Tally};
use writepath::validate::session::{Options, Session, Watch};
use writepath::validate::set::standard;
use writepath::validate::side::{Side, Stop};
use writepath::validate::simulated::{Generator, Simulator};
use writepath::validate::verdict::Verdict;

/// Makes one price twice what it is.
type Doubling = fn(&mut CostModel);

const SPINNING: Generator = Generator { spins: true, local: true };
const OPTIONS: Options = Options { repeats: 2, seeds: 4, doubled: false };

/// Nobody watches.
#[derive(Default)]
struct Silent {
    waited: u32,
}

impl Watch for Silent {
    fn step(&mut self, _: &str) {}
    fn done(&mut self, _: &[Row]) {}
    fn wait(&mut self) {
        self.waited += 1;
    }
}

/// A quiet machine: the noise of hosts is not what is asked here.
fn quiet() -> CostModel {
    let mut machine = models::load("two-core-vm").expect("built in").0;
    machine.noise.classes.clear();
    machine
}

fn cases(names: &[&str]) -> Vec<Case> {
    let overrides = Overrides { model: Some("two-core-vm".to_owned()), ..Overrides::default() };
    let mut cases = standard(&overrides);
    cases.retain(|case| names.contains(&case.name.as_str()));
    assert_eq!(cases.len(), names.len(), "{names:?}");
    cases
}

/// Rows of `cases` when the server is a machine of prices `real` and the simulator has `believed`.
fn rows(cases: &[Case], real: CostModel, believed: CostModel) -> Vec<Row> {
    let pool = Pool::new(2).expect("threads");
    let side =
        |machine| Simulator { machine: Some(machine), generator: SPINNING, pool: &pool, goes_on: &|| true };
    let (mut real, believed) = (side(real), side(believed));
    let mut session = Session::new(&mut real, &believed, OPTIONS);
    session.run(cases, &mut Silent::default()).expect("they run")
}

fn missed(rows: &[Row]) -> Vec<String> {
    let missed = rows.iter().filter(|row| row.verdict == Verdict::Miss);
    missed.map(|row| format!("{} {}", row.workload, row.metric)).collect()
}

#[test]
fn right_prices_miss_nothing() {
    let cases =
        cases(&["pipeline-16-connections-50", "rate-50", "fork-0.5-gib", "expiry-hz-10", "lua", "reshard"]);
    let rows = rows(&cases, quiet(), quiet());
    assert_eq!(missed(&rows), [""; 0]);
    let tally = Tally::of(&rows);
    assert!(tally.pass >= 20 && tally.skipped == 0, "{tally:?}");
}

#[test]
fn a_price_wrong_by_a_factor_of_two_is_seen_where_it_matters() {
    let twice: [(&str, &str, Doubling); 6] = [
        ("pipeline-16-connections-50", "pipeline-16-connections-50 cpu", |machine| machine.cpu.set *= 2),
        ("pipeline-1-connections-50", "pipeline-1-connections-50 cpu", |machine| machine.cpu.write *= 2),
        ("fork-0.5-gib", "fork-0.5-gib stall-height", |machine| machine.fork.per_gib *= 2.0),
        ("cow", "cow cow-slowdown", |machine| machine.cow.fault *= 2),
        ("expiry-hz-10", "expiry-hz-10 storm", |machine| machine.cpu.expire_key *= 2),
        ("reshard", "reshard migrate", |machine| machine.cluster.migrate_per_key *= 2),
    ];
    for (case, wanted, change) in twice {
        let mut wrong = quiet();
        change(&mut wrong);
        let missed = missed(&rows(&cases(&[case]), quiet(), wrong));
        assert!(missed.contains(&wanted.to_owned()), "{wanted}: {missed:?}");
    }
}

#[test]
fn another_machines_prices_are_allowed_twice_as_much() {
    let mut slower = quiet();
    // 15 % more a command: beyond 10 %, within 20 %.
    slower.cpu.set += slower.cpu.set * 17 / 100;
    let cases = cases(&["pipeline-64-connections-50"]);
    let pool = Pool::new(2).expect("threads");
    let side =
        |machine| Simulator { machine: Some(machine), generator: SPINNING, pool: &pool, goes_on: &|| true };
    let verdict = |doubled| {
        let (mut real, believed) = (side(quiet()), side(slower.clone()));
        let mut session = Session::new(&mut real, &believed, Options { doubled, ..OPTIONS });
        let rows = session.run(&cases, &mut Silent::default()).expect("they run");
        rows.into_iter().find(|row| row.metric == "cpu").expect("a row").verdict
    };
    assert_eq!((verdict(false), verdict(true)), (Verdict::Miss, Verdict::Pass));
}

/// A side that has a noisy machine for a while, and refuses a case.
struct Moody<'a> {
    inner: Simulator<'a>,
    noisy: u32,
    refuses: &'a str,
}

impl Side for Moody<'_> {
    fn observe(&mut self, scenario: &Scenario, run: u64) -> Result<Observed, Stop> {
        match scenario.name == self.refuses {
            true => Err(Stop::Skipped("not here".to_owned())),
            false => self.inner.observe(scenario, run),
        }
    }

    fn canary(&mut self) -> Option<Canary> {
        let gaps = if self.noisy > 0 { vec![50_000_000] } else { vec![] };
        self.noisy = self.noisy.saturating_sub(1);
        Some(Canary { watched: 250_000_000, gaps })
    }
}

#[test]
fn a_noisy_spell_is_waited_for_then_marked_and_a_refused_case_leaves_the_others() {
    let cases = cases(&["pipeline-1-connections-1", "lua"]);
    let pool = Pool::new(2).expect("threads");
    let side = || Simulator { machine: Some(quiet()), generator: SPINNING, pool: &pool, goes_on: &|| true };
    let believed = side();
    let of = |noisy| {
        let mut moody = Moody { inner: side(), noisy, refuses: "lua" };
        let mut watch = Silent::default();
        let mut session = Session::new(&mut moody, &believed, OPTIONS);
        (session.run(&cases, &mut watch).expect("it runs"), watch.waited)
    };
    // Two noisy spells go by; with more than it waits for, three times before each run (and before the one that is refused),
    // both runs are marked and nothing is called a pass.
    let (rows, waited) = of(2);
    assert_eq!((waited, rows[0].noisy, rows[0].verdict), (2, 0, Verdict::Pass));
    let (rows, waited) = of(100);
    assert_eq!((waited, rows[0].noisy), (9, 2));
    let p99 = rows.iter().find(|row| row.metric == "p99").expect("a row");
    assert_eq!(p99.verdict, Verdict::NotDistinguishable);
    let refused: Vec<_> = rows.iter().filter(|row| row.workload == "lua").collect();
    assert!(refused.len() >= 3 && refused.iter().all(|row| row.verdict == Verdict::Skipped));
    assert!(refused.iter().all(|row| row.reason.as_deref() == Some("not here")));
}
