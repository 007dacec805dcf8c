//! Waking up: what the main thread's CPU time is after a sleep, a timer's tick, and the way over the network.

use crate::models::unit::Value;
use crate::units::{MICROSECOND, MILLISECOND, SECOND};

use super::bench::Bench;
use super::book::Finding;
use super::fit::Repeats;
use super::subject::{Paced, PacedSpent, Result};

/// Times between two commands \[ns\].
const GAPS: [u64; 5] = [20 * MICROSECOND, 60 * MICROSECOND, 200 * MICROSECOND, MILLISECOND, 3 * MILLISECOND];
/// Time that one gap is measured for \[ns\], and the least number of commands.
const SPAN: u64 = 150 * MILLISECOND;
const LEAST: u64 = 120;
/// The server's timers while gaps are measured \[1/s\].
const HZ: f64 = 10.0;
/// The tick that is measured comes after a sleep of about so long \[ns\].
const TICK: u64 = 2 * MILLISECOND;

/// A delay shorter than this is none \[ns\].
const LEAST_DELAY: u64 = 200;

/// Runs all.
///
/// # Errors
/// As the subject.
pub fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let (mut all, mut ticks) = (vec![Vec::new(); GAPS.len()], Vec::new());
    for _ in 0..bench.plan.repeats {
        for (gap, of_gap) in GAPS.into_iter().zip(&mut all) {
            bench.next("waking up")?;
            let commands = (SPAN / gap).max(LEAST);
            of_gap.push(bench.subject.paced(&Paced { setting: bench.plan.cold(), gap, commands })?);
        }
        bench.next("a timer's tick")?;
        ticks.push(bench.subject.idle_tick()?);
    }
    let way = Way::of(bench, &all, bench.book.number("cpu.cron"));
    let cron = curve(bench, &all, &way, Repeats::of(&ticks));
    let way = Way::of(bench, &all, cron);
    ways(bench, &all, &way);
    Ok(())
}

/// What a round takes beside the server's own time.
struct Way {
    sends: f64,
    cron: f64,
    one_way: Option<Repeats>,
}

impl Way {
    /// One way is half of it at the shortest gap, where the server has hardly slept.
    fn of(bench: &Bench<'_>, all: &[Vec<PacedSpent>], cron: f64) -> Way {
        let mut way = Way { sends: bench.book.number("client.per-send"), cron, one_way: None };
        let halves: Vec<f64> = all.iter().take(1).flatten().map(|spent| way.beyond(spent) / 2.0).collect();
        way.one_way = Repeats::of(&halves);
        way
    }

    /// Both ways, and what it takes longer to wake the server.
    fn beyond(&self, spent: &PacedSpent) -> f64 {
        spent.round - (spent.cpu - self.cron * HZ * spent.gap / SECOND as f64) - self.sends
    }

    /// What it takes longer to wake the server.
    fn later(&self, spent: &PacedSpent) -> f64 {
        self.one_way.map_or(0.0, |one| self.beyond(spent) - 2.0 * one.median)
    }

    /// How long the server slept before that.
    fn slept(&self, spent: &PacedSpent) -> f64 {
        spent.gap - spent.cpu - self.later(spent).max(0.0)
    }
}

/// Time of a command that needs no waking \[ns\].
fn awake(bench: &Bench<'_>) -> f64 {
    let number = |name: &str| bench.book.number(name);
    number("cpu.turn")
        + number("cpu.read")
        + number("cpu.write")
        + number("cpu.set")
        + number("cpu.per-kib") * 100.0 / 1024.0
}

/// The curve of waking up and the tick beside it; the tick's own time.
fn curve(bench: &mut Bench<'_>, all: &[Vec<PacedSpent>], way: &Way, tick: Option<Repeats>) -> f64 {
    let awake = awake(bench);
    let turn = bench.book.number("cpu.turn");
    // A tick wakes up as a command after as long a sleep does, and gaps have ticks in them: two equations.
    let mut cron = bench.book.number("cpu.cron");
    let mut points = Vec::new();
    for _ in 0..4 {
        points = all.iter().filter_map(|gap| point(gap, way, awake, cron)).collect();
        if let Some(tick) = tick {
            cron = (tick.median - turn - at(&points, TICK as f64 - tick.median)).max(0.0);
        }
    }
    let waking = at(&points, TICK as f64);
    let how = "CPU of the main thread a tick at hz 500 without clients, less a pass and the waking up";
    bench.book.number_found(
        "cpu.cron",
        tick.map(|tick| tick.less(turn + waking)).filter(|t| t.median > 0.0),
        how,
        None,
    );
    let range = spread(&points);
    let value = rising(&points);
    let how = format!(
        "median of {} repeats, CPU of SETs of one spinning client at gaps of 20 us to 3 ms, less a pass that does not wake",
        bench.plan.repeats
    );
    match value.is_empty() {
        true => bench.book.skip("cpu.wakeup", "no SET costs more after a sleep"),
        false => bench.book.found(Finding {
            price: "cpu.wakeup",
            value: Value::Curve(value),
            range,
            how,
            residual: None,
        }),
    }
    cron
}

/// (slept, cost) of a gap, with its repeats.
fn point(gap: &[PacedSpent], way: &Way, awake: f64, cron: f64) -> Option<(f64, f64, Repeats)> {
    let costs: Vec<f64> =
        gap.iter().map(|spent| spent.cpu - cron * HZ * spent.gap / SECOND as f64 - awake).collect();
    let slept: Vec<f64> = gap.iter().map(|spent| way.slept(spent)).collect();
    let repeats = Repeats::of(&costs)?;
    Some((Repeats::of(&slept)?.median, repeats.median, repeats)).filter(|point| point.0 > 0.0)
}

/// Between points by lines, constant after the last.
fn at(points: &[(f64, f64, Repeats)], slept: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for point in points {
        if slept < point.0 {
            return before.1 + (point.1 - before.1) * (slept - before.0) / (point.0 - before.0);
        }
        before = (point.0, point.1);
    }
    before.1
}

/// Points of a model's curve: whole, and none falls.
fn rising(points: &[(f64, f64, Repeats)]) -> Vec<(u64, u64)> {
    let mut curve: Vec<(u64, u64)> = Vec::new();
    for point in points {
        let (slept, cost) = (point.0.round() as u64, point.1.max(0.0).round() as u64);
        let last = curve.last().copied().unwrap_or((0, 0));
        if slept > last.0 && cost > 0 {
            curve.push((slept, cost.max(last.1)));
        }
    }
    curve
}

/// One way of the network, and how much longer it is to a server that sleeps: at longer gaps write(2) takes some
/// microseconds more, in which it wakes the server.
fn ways(bench: &mut Bench<'_>, all: &[Vec<PacedSpent>], way: &Way) {
    let how = "half of the median from a spinning client's write(2) to the reply being readable, less the CPU of the SET \
               and client.per-send, at the shortest gap";
    bench.book.number_found("network.one-way", way.one_way, how, None);
    let later = |gap: &Vec<PacedSpent>| {
        let slept: Vec<f64> = gap.iter().map(|spent| way.slept(spent)).collect();
        let rests: Vec<f64> = gap.iter().map(|spent| way.later(spent)).collect();
        let repeats = Repeats::of(&rests)?;
        Some((Repeats::of(&slept)?.median, repeats.median, repeats))
    };
    let Some(awake) = all.first().and_then(later) else { return };
    let points: Vec<_> = all.iter().skip(1).filter_map(later).collect();
    // What is below that of a rounding of the clock is nothing.
    let value = rising(&points).into_iter().filter(|point| point.1 >= LEAST_DELAY).collect::<Vec<_>>();
    if value.is_empty() {
        return bench
            .book
            .skip("network.wake-server", "a sleeping server answers as soon as one that is awake");
    }
    bench.book.found(Finding {
        price: "network.wake-server",
        value: Value::Curve(std::iter::once((awake.0 as u64, 0)).chain(value).collect()),
        range: spread(&points),
        how: "the same at longer gaps, less two network.one-way".to_owned(),
        residual: None,
    });
}

/// The range of a curve's points over the repeats, as factors.
fn spread(points: &[(f64, f64, Repeats)]) -> (f64, f64) {
    let factor =
        |of: fn(&Repeats) -> f64| points.iter().map(move |point| of(&point.2) / point.2.median.max(1.0));
    let low = factor(|repeats| repeats.low).fold(1.0, f64::min).max(0.0);
    (low, factor(|repeats| repeats.high).fold(1.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(slept: f64, cost: f64) -> (f64, f64, Repeats) {
        (slept, cost, Repeats { median: cost, low: cost, high: cost, count: 1 })
    }

    #[test]
    fn a_curve_rises_and_is_read_between_its_points() {
        let points = [flat(1e4, 500.0), flat(5e4, 400.0), flat(1e6, 9000.0)];
        assert_eq!(rising(&points), [(10_000, 500), (50_000, 500), (1_000_000, 9000)]);
        assert_eq!((at(&points, 5e3), at(&points, 3e4), at(&points, 1e9)), (250.0, 450.0, 9000.0));
        assert_eq!(rising(&[flat(1e4, -3.0)]), []);
    }
}
