//! What goes where in a picture of a sweep: the axis along which, one line a level of which others, which are held.

use std::collections::{BTreeMap, BTreeSet};

use super::measure::Measure;
use super::points::{Axis, Points};
use crate::scenario::problem::{Problem, Problems, nearest};

/// What was asked for; what is left open is chosen.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The axis along which the metric is shown.
    pub x: Option<String>,
    /// The other axis of a map of two.
    pub y: Option<String>,
    /// Axes whose every combination of levels has a line of its own.
    pub by: Vec<String>,
    /// `AXIS=LEVEL`: only points at this level.
    pub at: Vec<String>,
}

/// What goes where. Axes are numbers into [`Points::axes`], levels into theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The axis along which.
    pub x: usize,
    /// The other axis of a map.
    pub y: Option<usize>,
    /// Axes whose every combination of levels has a line.
    pub by: Vec<usize>,
    /// Axes held at a level, and which.
    pub at: Vec<(usize, usize)>,
    /// Axes whose levels are different from point to point without a line of their own.
    pub with: Vec<usize>,
    /// The points that are shown.
    pub shown: Vec<usize>,
}

impl Layout {
    /// Chooses what was left open: along the numbers with the most levels, a line for each combination of what else
    /// varies by itself.
    ///
    /// # Errors
    /// Every problem of the request: an unknown axis or level, an axis with a single level, an axis used twice, one
    /// that varies without a place.
    pub fn choose(points: &Points, request: &Request) -> Result<Layout, Problems> {
        let mut problems = Vec::new();
        let mut named = |flag: &str, key: &String| {
            axis(points, &format!("{flag} {key}"), key).map_err(|problem| problems.push(problem)).ok()
        };
        let x = request.x.as_ref().map(|key| named("--x", key));
        let y = request.y.as_ref().map(|key| named("--y", key));
        let by: Vec<Option<usize>> = request.by.iter().map(|key| named("--by", key)).collect();
        let at: Vec<_> = request.at.iter().map(|held| level(points, held)).collect();
        problems.extend(at.iter().filter_map(|held| held.clone().err()));
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let at: Vec<(usize, usize)> = at.into_iter().flatten().collect();
        let by: Vec<usize> = by.into_iter().flatten().collect();
        let shown: Vec<usize> = (0..points.points.len())
            .filter(|&point| at.iter().all(|&(axis, level)| points.points[point].levels[axis] == level))
            .collect();
        if shown.is_empty() {
            let flags = format!("--at {}", request.at.join(" --at "));
            return Err(Problems(vec![problem(&flags, "no point is at these levels", [])]));
        }
        let chooser = Chooser { points, shown: &shown };
        let x = chooser.along(x.flatten(), y.flatten(), &by)?;
        let (by, with) = chooser.places(x, y.flatten(), by)?;
        Ok(Layout { x, y: y.flatten(), by, at, with, shown })
    }
}

fn problem(of: &str, read: &str, remedies: impl IntoIterator<Item = String>) -> Problem {
    let remedies = remedies.into_iter().collect();
    Problem { file: of.to_owned(), line: 0, column: 0, read: read.to_owned(), remedies }
}

/// The axis that `typed` names, dots or not, its unit or not: whole, or its end where that is of one alone.
fn axis(points: &Points, flag: &str, typed: &str) -> Result<usize, Problem> {
    let plain = typed.replace(['.', '-'], "_");
    let (_, plain) = Measure::of(&plain);
    let name = |axis: &Axis| Measure::of(&axis.key).1.to_owned();
    if let Some(exact) = points.axes.iter().position(|axis| name(axis) == plain) {
        return Ok(exact);
    }
    let end = format!("_{plain}");
    let mut short = (0..points.axes.len()).filter(|&number| name(&points.axes[number]).ends_with(&end));
    if let (Some(only), None) = (short.next(), short.next()) {
        return Ok(only);
    }
    let keys = points.axes.iter().map(|axis| axis.key.as_str());
    let short = keys.clone().filter_map(|key| key.rsplit_once('_')).map(|(_, end)| end);
    let meant = nearest(plain, keys.clone().chain(short)).map(|near| format!("did you mean {near}?"));
    let known = format!("the axes are: {}", keys.collect::<Vec<_>>().join(", "));
    Err(problem(flag, "no such axis", meant.into_iter().chain([known])))
}

/// The axis and level of `AXIS=LEVEL`.
fn level(points: &Points, held: &str) -> Result<(usize, usize), Problem> {
    let flag = format!("--at {held}");
    let Some((key, level)) = held.split_once('=') else {
        return Err(problem(&flag, "names no level", ["write AXIS=LEVEL".to_owned()]));
    };
    let number = axis(points, &flag, key)?;
    let axis = &points.axes[number];
    // 20k/s is the level 20000/s.
    let asked = axis.measure.and_then(|measure| measure.read(level));
    // Words that a shell has taken out of their quotes are the same words.
    let bare = |text: &str| text.trim_matches('"').to_owned();
    let is_named = |at: usize| bare(&axis.levels[at]) == bare(level);
    let same = |at: usize| is_named(at) || (asked.is_some() && axis.numbers.get(at) == asked.as_ref());
    let found = (0..axis.levels.len()).find(|&at| same(at));
    found.map(|at| (number, at)).ok_or_else(|| {
        let levels = axis.levels.iter().take(LEVELS_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if axis.levels.len() > LEVELS_NAMED { ", …" } else { "" };
        let known = format!("its levels are: {levels}{more}");
        problem(&flag, &format!("{} has no level {level}", axis.key), [known])
    })
}

/// Most levels that an error names.
const LEVELS_NAMED: usize = 12;

struct Chooser<'a> {
    points: &'a Points,
    shown: &'a [usize],
}

impl Chooser<'_> {
    fn level(&self, point: usize, axis: usize) -> usize {
        self.points.points[point].levels[axis]
    }

    fn key(&self, axis: usize) -> &str {
        &self.points.axes[axis].key
    }

    /// Number of levels that the shown points have.
    fn levels(&self, axis: usize) -> usize {
        self.shown.iter().map(|&point| self.level(point, axis)).collect::<BTreeSet<_>>().len()
    }

    /// The axis along which, checked with the others that were named.
    fn along(&self, x: Option<usize>, y: Option<usize>, by: &[usize]) -> Result<usize, Problems> {
        let mut problems = Vec::new();
        let varying: Vec<usize> = (0..self.points.axes.len()).filter(|&axis| self.levels(axis) > 1).collect();
        let keys = varying.iter().map(|&axis| self.key(axis)).collect::<Vec<_>>().join(", ");
        let vary = if keys.is_empty() { "no axis varies".to_owned() } else { format!("these vary: {keys}") };
        for (flag, axis) in x.map(|axis| ("--x", axis)).into_iter().chain(y.map(|axis| ("--y", axis))) {
            if !varying.contains(&axis) {
                let flag = format!("{flag} {}", self.key(axis));
                problems.push(problem(&flag, "the points have one level of it", [vary.clone()]));
            }
        }
        let mut used = BTreeSet::new();
        for axis in x.into_iter().chain(y).chain(by.iter().copied()) {
            if !used.insert(axis) {
                let once = "name it in one of --x, --y and --by".to_owned();
                problems.push(problem(self.key(axis), "has two places", [once]));
            }
        }
        let free = varying.iter().copied().filter(|axis| !used.contains(axis));
        let most = free.max_by_key(|&axis| {
            let is_number = self.points.axes[axis].measure.is_some();
            (is_number, self.levels(axis), std::cmp::Reverse(axis))
        });
        if x.or(most).is_none() {
            let remedy = "writepath run shows a single scenario".to_owned();
            problems.push(problem("--x", "no axis is left to draw along", [vary, remedy]));
        }
        match x.or(most) {
            Some(x) if problems.is_empty() => Ok(x),
            _ => Err(Problems(problems)),
        }
    }

    /// Whether the levels of `axes` tell that of `axis`.
    fn tell(&self, axes: &[usize], axis: usize) -> bool {
        let mut seen: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        self.shown.iter().all(|&point| {
            let key = axes.iter().map(|&axis| self.level(point, axis)).collect();
            let level = self.level(point, axis);
            *seen.entry(key).or_insert(level) == level
        })
    }

    /// Axes with a line a level, and those that vary without.
    fn places(
        &self,
        x: usize,
        y: Option<usize>,
        by: Vec<usize>,
    ) -> Result<(Vec<usize>, Vec<usize>), Problems> {
        let mut known: Vec<usize> = std::iter::once(x).chain(y).chain(by.iter().copied()).collect();
        let placed = known.len();
        let mut with = Vec::new();
        for axis in (0..self.points.axes.len()).filter(|axis| self.levels(*axis) > 1) {
            match known.contains(&axis) {
                true => {}
                false if self.tell(&known, axis) => with.push(axis),
                false => known.push(axis),
            }
        }
        let free = known.split_off(placed);
        if free.is_empty() {
            return Ok((by, with));
        }
        let groups: BTreeSet<Vec<usize>> = self
            .shown
            .iter()
            .map(|&point| free.iter().map(|&axis| self.level(point, axis)).collect())
            .collect();
        if self.shown.len() < 2 * groups.len() {
            // No grid: hardly two points have the same other levels, so they are spread around the line.
            with.extend(free);
            with.sort_unstable();
            return Ok((by, with));
        }
        if by.is_empty() && y.is_none() {
            return Ok((free, with));
        }
        Err(Problems(free.iter().map(|&axis| self.without_place(axis, y.is_some())).collect()))
    }

    fn without_place(&self, axis: usize, is_map: bool) -> Problem {
        let key = self.key(axis);
        let level = &self.points.axes[axis].levels[self.level(self.shown[0], axis)];
        let hold = format!("hold it: --at {key}={level}");
        let or = (!is_map).then(|| format!("or name it as well: --by …,{key}"));
        problem(key, "varies, and has no place", std::iter::once(hold).chain(or))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::sample::{POINTS, THREE_AXES, TOGETHER};

    fn read(table: &str) -> Points {
        Points::read(table.as_bytes(), None).expect("a table of points")
    }

    fn request(x: &str, y: &str, by: &[&str], at: &[&str]) -> Request {
        let some = |key: &str| (!key.is_empty()).then(|| key.to_owned());
        let all = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Request { x: some(x), y: some(y), by: all(by), at: all(at) }
    }

    fn problems(table: &str, request: &Request) -> String {
        Layout::choose(&read(table), request).expect_err("it cannot be drawn").to_string()
    }

    #[test]
    fn numbers_lie_along_and_what_else_varies_has_lines() {
        let chosen = Layout::choose(&read(POINTS), &Request::default()).expect("a layout");
        let all = (0..6).collect();
        assert_eq!(chosen, Layout { x: 1, y: None, by: vec![0], at: vec![], with: vec![], shown: all });
        let held = request("", "", &[], &["appendfsync=always", "rate=10k/s"]);
        assert!(problems(POINTS, &held).contains("no axis is left to draw along\n  no axis varies"));
    }

    #[test]
    fn levels_are_named_with_or_without_unit_and_quotes() {
        let table = "redis_save,workload_rate_per_s,point,status,sojourn_ns_p99\n\
                     \"\"\"60 1\"\"\",1000,0,ok,1\n,20000,1,ok,2\n\"\"\"60 1\"\"\",20000,2,ok,3\n,1000,3,ok,4\n";
        let shown = |at: &str| {
            let request = Request { at: vec![at.to_owned()], ..Request::default() };
            Layout::choose(&read(table), &request).expect("a layout").shown
        };
        for (at, points) in
            [("save=60 1", [0, 2]), ("save=", [1, 3]), ("rate=20k/s", [1, 2]), ("rate=1000", [0, 3])]
        {
            assert_eq!(shown(at), points, "{at}");
        }
    }

    #[test]
    fn an_axis_that_moves_with_another_needs_no_lines() {
        // Connections follow the rate; nothing else varies.
        let chosen = Layout::choose(&read(TOGETHER), &Request::default()).expect("a layout");
        assert_eq!((chosen.x, chosen.by, chosen.with), (0, vec![], vec![1]));
    }

    #[test]
    fn scattered_points_are_spread_around_one_line() {
        // Five levels of the rate, one each: by policy there are too few points of a rate for lines by rate.
        let chosen =
            Layout::choose(&read(SCATTERED), &request("appendfsync", "", &[], &[])).expect("a layout");
        assert_eq!((chosen.x, chosen.by, chosen.with), (0, vec![], vec![1]));
    }

    const SCATTERED: &str = "\
redis_appendfsync,workload_rate_per_s,point,status,sojourn_ns_p99
no,1000,0,ok,1
no,2100,1,ok,2
always,2900,2,ok,3
always,4100,3,ok,4
no,5200,4,ok,5
";

    #[test]
    fn an_axis_without_a_place_is_named_with_how_to_hold_it() {
        let text = problems(THREE_AXES, &request("rate", "", &["appendfsync"], &[]));
        assert_eq!(
            text,
            "model: varies, and has no place\n  hold it: --at model=cloud-vm\n  or name it as well: --by …,model"
        );
        assert!(
            problems(THREE_AXES, &request("rate", "model", &[], &[])).contains("--at redis_appendfsync=no")
        );
        let held = request("rate", "", &["appendfsync"], &["model=two-core-vm"]);
        assert_eq!(Layout::choose(&read(THREE_AXES), &held).expect("a layout").shown, [1, 3, 5, 7]);
    }

    #[test]
    fn every_problem_of_a_request_is_named() {
        let text = problems(POINTS, &request("rat", "zzz", &["appendfsync"], &["rate=7/s", "rate"]));
        assert!(text.contains("--x rat: no such axis\n  did you mean rate?\n  the axes"), "{text}");
        assert!(
            text.contains("--y zzz: no such axis\n  the axes are: redis_appendfsync, workload_rate"),
            "{text}"
        );
        assert!(
            text.contains("--at rate=7/s: workload_rate has no level 7/s\n  its levels are: 1000/s, 10 k/s")
        );
        assert!(text.contains("--at rate: names no level\n  write AXIS=LEVEL"), "{text}");
        assert!(
            problems(POINTS, &request("rate", "", &["rate"], &[])).contains("workload_rate: has two places")
        );
        assert!(problems(POINTS, &request("rate", "", &[], &["rate=1000/s"])).contains("one level of it"));
    }
}
