//! Which points a sweep runs: axes, how their values are combined, and what is left out.
//!
//! A [`DesignSpec`] is a design as asked for, by flags and by the scenario's `[sweep]` table; it becomes a [`Design`]
//! once every axis, value and rule has been found sound. The points of a design are numbered from 0 without holes:
//! those of a grid in the order of its axes, the last one fastest, those of the other designs in the order they were
//! drawn. What the rules exclude has no number.

mod axis;
mod check;
pub mod cube;
mod form;
mod grid;
mod rule;
mod spec;

use super::template::Assignment;
use axis::{Axis, Level, Values};
use cube::Cube;
use grid::Grid;
use rule::Rule;

pub use form::Form;
pub use spec::{DesignSpec, Kind};

/// What varies: axes, some of which move together.
#[derive(Clone, Debug)]
pub struct Space {
    axes: Vec<Axis>,
    keys: Vec<String>,
    /// For each axis, the number of the group that it moves with; a group is a digit of a grid, or a dimension.
    group_of: Vec<usize>,
}

/// The points of a sweep.
#[derive(Clone, Debug)]
pub struct Design {
    space: Space,
    scheme: Scheme,
    kind: Kind,
    seed: u64,
    replications: Option<u64>,
}

#[derive(Clone, Debug)]
enum Scheme {
    Grid(Grid),
    Drawn {
        cube: Cube,
        /// Points drawn.
        points: u64,
        /// Of those the ones that the rules leave; none if there are no rules.
        kept: Option<Vec<u32>>,
    },
}

impl Space {
    fn new(axes: Vec<Axis>, groups: &[Vec<usize>]) -> Space {
        let mut group_of = vec![0; axes.len()];
        for (number, group) in groups.iter().enumerate() {
            group.iter().for_each(|&axis| group_of[axis] = number);
        }
        let keys = axes.iter().map(|axis| axis.key.clone()).collect();
        Space { axes, keys, group_of }
    }

    /// Every setting that varies, in the order they were given.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The setting that leads each dimension; those that move with it are not named.
    pub fn dimensions(&self) -> Vec<&str> {
        let leads = self.axes.iter().filter(|axis| axis.with.is_none());
        leads.map(|axis| axis.key.as_str()).collect()
    }

    /// The settings at a point of the unit cube, a share from 0 to 1 for each dimension: the values of a list are
    /// equally likely, ranges continuous.
    pub fn at(&self, shares: &[f64]) -> Vec<Assignment> {
        self.assignments(self.levels(|group| shares[group]))
    }

    fn levels(&self, share: impl Fn(usize) -> f64) -> Vec<Level> {
        self.axes.iter().zip(&self.group_of).map(|(axis, &group)| axis.at(share(group))).collect()
    }

    fn assignments(&self, levels: Vec<Level>) -> Vec<Assignment> {
        let assign = |(key, level): (&String, Level)| Assignment { key: key.clone(), value: level.text };
        self.keys.iter().zip(levels).map(assign).collect()
    }
}

impl Design {
    /// The settings that vary, in the order they were given.
    pub fn axes(&self) -> &[String] {
        &self.space.keys
    }

    /// Name of each axis' column in tables: the setting in snake_case, with its unit (`workload_rate_per_s`).
    pub fn columns(&self) -> Vec<String> {
        self.space.axes.iter().map(Axis::column).collect()
    }

    /// Whether all values of each axis are numbers.
    pub fn numeric(&self) -> Vec<bool> {
        self.space.axes.iter().map(Axis::is_numeric).collect()
    }

    /// Number of points, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an empty design is refused when it is built")]
    pub fn len(&self) -> u64 {
        match &self.scheme {
            Scheme::Grid(grid) => grid.len(),
            Scheme::Drawn { kept: Some(kept), .. } => kept.len() as u64,
            Scheme::Drawn { points, .. } => *points,
        }
    }

    /// How the points are spread.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Seed of the points.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Replications of each point that the scenario asks for.
    pub fn replications(&self) -> Option<u64> {
        self.replications
    }

    /// The settings of point number `index`, below [`Design::len`]: one for each axis, in their order.
    pub fn point(&self, index: u64) -> Vec<Assignment> {
        self.space.assignments(self.levels(index))
    }

    /// What the axes' columns hold for point number `index`: numbers in base units, words and files as typed.
    pub fn cells(&self, index: u64) -> Vec<String> {
        let numeric = self.space.axes.iter().map(Axis::is_numeric);
        self.levels(index).iter().zip(numeric).map(|(level, numeric)| level.cell(numeric)).collect()
    }

    fn levels(&self, index: u64) -> Vec<Level> {
        match &self.scheme {
            Scheme::Grid(grid) => {
                let digits = grid.point(index);
                let level = |(axis, &group): (&Axis, &usize)| listed(axis)[digits[group]].clone();
                self.space.axes.iter().zip(&self.space.group_of).map(level).collect()
            }
            Scheme::Drawn { cube, kept, .. } => {
                let drawn = kept.as_ref().map_or(index, |kept| u64::from(kept[index as usize]));
                self.space.levels(|group| cube.at(drawn, group))
            }
        }
    }
}

/// The values of an axis of a grid, whose ranges have become lists.
fn listed(axis: &Axis) -> &[Level] {
    match &axis.values {
        Values::List(levels) => levels,
        Values::Range(_) => &[],
    }
}

/// Numbers the points that `rules` leave of a grid; none if they are too many to count.
fn grid(axes: &[Axis], groups: &[Vec<usize>], rules: &[Rule]) -> Option<Grid> {
    // A group's part in a rule: all comparisons of its axes.
    let mask = |group: &[usize], value: usize| {
        let holds = |rule: &Rule| group.iter().all(|&axis| rule.holds(axis, &listed(&axes[axis])[value]));
        rules.iter().enumerate().filter(|(_, rule)| holds(rule)).fold(0, |mask, (bit, _)| mask | 1 << bit)
    };
    let digits = groups.iter().map(|group| {
        let values = listed(&axes[group[0]]).len();
        (0..values).map(|value| mask(group, value)).collect()
    });
    Grid::new(digits.collect(), rules.len())
}

/// The drawn points that `rules` leave.
fn kept(space: &Space, rules: &[Rule], cube: &Cube, points: u64) -> Vec<u32> {
    let excluded = |index: u64| {
        let levels = space.levels(|group| cube.at(index, group));
        rules.iter().any(|rule| levels.iter().enumerate().all(|(axis, level)| rule.holds(axis, level)))
    };
    (0..points).filter(|&index| !excluded(index)).map(|index| index as u32).collect()
}

#[cfg(test)]
mod tests;
