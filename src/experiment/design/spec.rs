//! A design as asked for, and its way to one that can be run.

use super::axis::{Axis, Values};
use super::check;
use super::cube::{Cube, LATIN_POINTS_MAX, RANDOM_POINTS_MAX, SOBOL_DIMENSIONS_MAX, SOBOL_POINTS_MAX};
use super::form::setting;
use super::grid::Grid;
use super::rule::{RULES_MAX, Rule};
use super::{Design, Scheme, Space, grid, kept};
use crate::experiment::template::Template;
use crate::scenario::file::suggestion;
use crate::scenario::layers::exclusive;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::reader::Fault;
use crate::scenario::sweep::{SweepTable, ValuesText};
use crate::scenario::tree::Place;

/// Points with rules that are looked at one by one.
const RULED_POINTS_MAX: u64 = 10_000_000;

/// How the values of several axes are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Every combination.
    #[default]
    Grid,
    /// Latin hypercube: lists are equally likely values, ranges continuous.
    Lhs,
    /// Scrambled Sobol sequence, in the same way.
    Sobol,
    /// Independent points, in the same way.
    Random,
}

/// A design as asked for; what is left open is taken from the scenario's `[sweep]` table, then from defaults.
#[derive(Clone, Debug, Default)]
pub struct DesignSpec {
    /// Axes as `KEY=VALUES`; they replace those of the same key in `[sweep]`.
    pub vary: Vec<String>,
    /// How they are combined.
    pub kind: Option<Kind>,
    /// Points, of every design but a grid.
    pub points: Option<u64>,
    /// Rules by which points are left out, beside those of `[sweep]`.
    pub exclude: Vec<String>,
    /// Seed of the points of every design but a grid.
    pub seed: Option<u64>,
}

impl Kind {
    /// Its name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Grid => "grid",
            Kind::Lhs => "lhs",
            Kind::Sobol => "sobol",
            Kind::Random => "random",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Kind> {
        [Kind::Grid, Kind::Lhs, Kind::Sobol, Kind::Random].into_iter().find(|kind| kind.name() == name)
    }

    /// Most points it can have.
    fn points_max(self) -> u64 {
        match self {
            Kind::Grid => u64::MAX,
            Kind::Lhs => LATIN_POINTS_MAX,
            Kind::Sobol => SOBOL_POINTS_MAX,
            Kind::Random => RANDOM_POINTS_MAX,
        }
    }
}

impl DesignSpec {
    /// The design over `template`.
    ///
    /// # Errors
    /// Every problem at once: of the template itself, of axes, values that no run takes, rules, and numbers of points.
    pub fn build(&self, template: &Template) -> Result<Design, Problems> {
        let mut builder = Builder::default();
        let table = template.sweep_table()?;
        let table = table.as_ref();
        let kind = self.kind.or_else(|| Kind::of_name(table?.design.as_deref()?)).unwrap_or_default();
        let (axes, groups) = builder.space(self, table, kind);
        let points = builder.points(self, table, kind);
        let rules = builder.rules(self, table, &axes);
        builder.problems.extend(check::values(template, &axes, &groups));
        builder.sound()?;

        let seed = self.seed.or(table.and_then(|table| table.seed)).unwrap_or(1);
        let space = Space::new(axes, &groups);
        let scheme = match kind {
            Kind::Grid => builder.grid(&space.axes, &groups, &rules),
            _ => builder.drawn(kind, (&space, &rules), (points, groups.len()), seed),
        };
        builder.sound()?;
        let replications = table.and_then(|table| table.replications);
        let design = scheme.map(|scheme| Design { space, scheme, kind, seed, replications });
        design.ok_or_else(|| Problems(Vec::new()))
    }

    /// What varies, as continuous dimensions: points, rules and the kind of design do not matter to it.
    ///
    /// # Errors
    /// Every problem at once, as of [`DesignSpec::build`].
    pub fn space(&self, template: &Template) -> Result<Space, Problems> {
        let mut builder = Builder::default();
        let (axes, groups) = builder.space(self, template.sweep_table()?.as_ref(), Kind::Random);
        builder.problems.extend(check::values(template, &axes, &groups));
        builder.sound()?;
        Ok(Space::new(axes, &groups))
    }
}

/// Collects problems on the way.
#[derive(Default)]
struct Builder {
    problems: Vec<Problem>,
}

impl Builder {
    /// Axes, and which of them move together, for a design of this kind.
    fn space(
        &mut self,
        spec: &DesignSpec,
        table: Option<&SweepTable>,
        kind: Kind,
    ) -> (Vec<Axis>, Vec<Vec<usize>>) {
        let axes = self.axes(spec, table);
        let groups = self.groups(&axes);
        let axes = self.listed(axes, kind);
        self.couples(&axes, &groups);
        (axes, groups)
    }

    fn sound(&mut self) -> Result<(), Problems> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }

    fn fault(&mut self, place: &Place, fault: Fault) {
        let place = fault.place.as_ref().unwrap_or(place);
        self.problems.push(place.problem("--vary", fault.read, fault.remedies));
    }

    fn problem(&mut self, place: &Place, read: impl Into<String>, remedy: impl Into<String>) {
        self.fault(place, Fault::new(read, remedy));
    }

    /// The axes of the table, those that a flag gives anew in their place, then the others of the flags.
    fn axes(&mut self, spec: &DesignSpec, table: Option<&SweepTable>) -> Vec<Axis> {
        let of_table = |axis: &crate::scenario::sweep::AxisText| match &axis.values {
            ValuesText::Flag(text) => Axis::parse(&format!("{}={text}", axis.key), axis.place.clone()),
            ValuesText::List(items) => Axis::of_items(&axis.key, items.clone(), axis.place.clone()),
        };
        let mut read = |result: Result<Axis, Fault>, place: &Place| match result {
            Ok(axis) => Some(axis),
            Err(fault) => {
                self.fault(place, fault);
                None
            }
        };
        let typed = table.map_or(&[][..], |table| &table.vary);
        let mut axes: Vec<Axis> = typed.iter().filter_map(|axis| read(of_table(axis), &axis.place)).collect();
        let flag = Place::flag("--vary");
        let flags: Vec<Axis> =
            spec.vary.iter().filter_map(|text| read(Axis::parse(text, flag.clone()), &flag)).collect();
        let same = |one: &Axis, other: &Axis| setting(&one.key) == setting(&other.key);
        let of_file = axes.len();
        for axis in flags {
            match axes[..of_file].iter().position(|other| same(other, &axis) && other.place != flag) {
                Some(at) => axes[at] = axis,
                None => axes.push(axis),
            }
        }
        if typed.is_empty() && spec.vary.is_empty() {
            let remedy = "write --vary KEY=VALUES, or give the scenario a [sweep] table with vary";
            self.problem(&flag, "nothing is varied", remedy);
        }
        for (index, axis) in axes.iter().enumerate() {
            let twin = axes[..index]
                .iter()
                .find(|other| same(other, axis) || exclusive(setting(&other.key), setting(&axis.key)));
            if let Some(twin) = twin {
                let read = match same(twin, axis) {
                    true => format!("{}: varied twice", axis.key),
                    false => format!("{}: {} says the same thing in another way", axis.key, twin.key),
                };
                self.problem(&axis.place, read, "keep one of the two");
            }
        }
        axes
    }

    /// Axes that move together.
    fn groups(&mut self, axes: &[Axis]) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, _) in axes.iter().enumerate().filter(|(_, axis)| axis.with.is_none()) {
            groups.push(vec![index]);
        }
        for (index, axis) in axes.iter().enumerate() {
            let Some(with) = &axis.with else { continue };
            let lead = |group: &&mut Vec<usize>| setting(&axes[group[0]].key) == setting(with);
            match groups.iter_mut().find(lead) {
                Some(group) => group.push(index),
                None => {
                    let free = axes.iter().filter(|axis| axis.with.is_none()).map(|axis| axis.key.as_str());
                    let read = format!("{}~{with}: {with:?} is no axis that moves by itself", axis.key);
                    self.problem(&axis.place, read, suggestion(with, free));
                }
            }
        }
        groups
    }

    /// In a grid ranges become lists.
    fn listed(&mut self, axes: Vec<Axis>, kind: Kind) -> Vec<Axis> {
        if kind != Kind::Grid {
            return axes;
        }
        let mut list = |mut axis: Axis| {
            if let Values::Range(range) = axis.values {
                match range.points {
                    Some(points) => axis.values = Values::List(range.levels(points)),
                    None => {
                        let read = format!("{}: how many values of the range?", axis.key);
                        let remedy = "write LOW..HIGH:N, or choose --design lhs, sobol or random";
                        self.problem(&axis.place, read, remedy);
                    }
                }
            }
            axis
        };
        axes.into_iter().map(&mut list).collect()
    }

    /// Axes that move together have as many values.
    fn couples(&mut self, axes: &[Axis], groups: &[Vec<usize>]) {
        for group in groups {
            let lead = &axes[group[0]];
            for other in group[1..].iter().map(|&index| &axes[index]) {
                if let (Values::List(one), Values::List(two)) = (&lead.values, &other.values)
                    && one.len() != two.len()
                {
                    let (n, m) = (two.len(), one.len());
                    let read = format!("{}: {n} values beside the {m} of {}", other.key, lead.key);
                    self.problem(&other.place, read, "axes that move together need as many values");
                }
            }
        }
    }

    fn points(&mut self, spec: &DesignSpec, table: Option<&SweepTable>, kind: Kind) -> u64 {
        let flag = (spec.points, Place::flag("--points"));
        let typed = match (flag, table.and_then(|table| table.points.clone())) {
            ((Some(points), place), _) => Some((points, place)),
            ((None, _), typed) => typed,
        };
        let name = kind.name();
        let points_max = kind.points_max();
        match (kind, typed) {
            // A table may keep its number of points while a flag asks for a grid.
            (Kind::Grid, Some((_, place))) if spec.points.is_some() || spec.kind.is_none() => {
                let remedy = "say --design lhs, sobol or random, or how many values each range has";
                self.problem(&place, "a grid has the points its axes make", remedy);
                0
            }
            (Kind::Grid, _) => 0,
            (_, None) => {
                self.problem(
                    &Place::flag("--points"),
                    format!("how many points of {name}?"),
                    "write --points N",
                );
                0
            }
            (_, Some((points, place))) => {
                if !(1..=points_max).contains(&points) {
                    let read = format!("{points} points of {name}");
                    self.problem(&place, read, format!("expected 1 to {points_max}"));
                }
                points
            }
        }
    }

    fn rules(&mut self, spec: &DesignSpec, table: Option<&SweepTable>, axes: &[Axis]) -> Vec<Rule> {
        let of_table = table.map_or(&[][..], |table| &table.exclude).iter().cloned();
        let flag = Place::flag("--exclude");
        let of_flags = spec.exclude.iter().map(|text| (text.clone(), flag.clone()));
        let mut rules = Vec::new();
        for (text, place) in of_table.chain(of_flags) {
            match Rule::parse(&text, axes) {
                Ok(rule) => rules.push(rule),
                // What is wrong with an axis has been said; a rule about it is not wrong on top.
                Err(_) if !self.problems.is_empty() => {}
                Err(fault) => self.fault(&place, fault),
            }
        }
        if rules.len() > RULES_MAX {
            self.problem(&flag, format!("{} rules", rules.len()), format!("expected at most {RULES_MAX}"));
        }
        rules
    }

    fn grid(&mut self, axes: &[Axis], groups: &[Vec<usize>], rules: &[Rule]) -> Option<Scheme> {
        let grid = grid(axes, groups, rules);
        match grid.as_ref().map(Grid::len) {
            None => {
                let remedy = "give ranges fewer values";
                self.problem(&Place::flag("--vary"), "the grid has more than 2^64 points", remedy);
            }
            Some(0) => self.all_excluded(),
            Some(_) => {}
        }
        grid.map(Scheme::Grid)
    }

    fn drawn(
        &mut self,
        kind: Kind,
        (space, rules): (&Space, &[Rule]),
        (points, dimensions): (u64, usize),
        seed: u64,
    ) -> Option<Scheme> {
        if kind == Kind::Sobol && dimensions > SOBOL_DIMENSIONS_MAX {
            let read = format!("{dimensions} axes of a Sobol sequence");
            let remedy = format!("expected at most {SOBOL_DIMENSIONS_MAX}; --design lhs takes more");
            self.problem(&Place::flag("--vary"), read, remedy);
            return None;
        }
        let cube = match kind {
            Kind::Sobol => Cube::sobol(seed),
            Kind::Lhs => Cube::latin(points, dimensions, seed),
            Kind::Grid | Kind::Random => Cube::random(dimensions, seed),
        };
        if rules.is_empty() {
            return Some(Scheme::Drawn { cube, points, kept: None });
        }
        if points > RULED_POINTS_MAX {
            let read = format!("rules over {points} points");
            self.problem(&Place::flag("--exclude"), read, format!("expected at most {RULED_POINTS_MAX}"));
            return None;
        }
        let left = kept(space, rules, &cube, points);
        if left.is_empty() {
            self.all_excluded();
        }
        Some(Scheme::Drawn { cube, points, kept: Some(left) })
    }

    fn all_excluded(&mut self) {
        let place = Place::flag("--exclude");
        self.problem(&place, "the rules exclude every point", "take a rule away, or vary more");
    }
}
