//! Values that no point could run with, found before anything runs.
//!
//! Every value of a list and both ends of a range are tried, in a grid too: alone, and with the first and with the
//! last sound values of the other axes. What is wrong each time is wrong with the value. What is wrong only in
//! company is a point that cannot run, which is the business of that point. What is wrong without any value is wrong
//! with the scenario.

use super::axis::{Axis, Level, Values};
use crate::experiment::template::{Assignment, Template};
use crate::scenario::problem::Problem;

/// Axes that move together, and what is wrong with each value alone that is tried.
struct Group<'a> {
    axes: Vec<&'a Axis>,
    /// For each axis, the values that are tried, in step.
    values: Vec<Vec<Level>>,
    alone: Vec<Vec<Problem>>,
}

/// Problems of the values of `axes`, which move together in `groups`.
pub fn values(template: &Template, axes: &[Axis], groups: &[Vec<usize>]) -> Vec<Problem> {
    let base = problems(template, Vec::new());
    let own = |problem: &Problem| !base.iter().any(|other| same(other, problem));
    let groups: Vec<Group<'_>> = groups
        .iter()
        .map(|group| {
            let mut group = Group::new(group.iter().map(|&index| &axes[index]).collect());
            let tried = (0..group.count()).map(|value| problems(template, group.assignments(value)));
            group.alone = tried.map(|problems| problems.into_iter().filter(own).collect()).collect();
            group
        })
        .collect();
    let mut found = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        for value in (0..group.count()).filter(|&value| !group.alone[value].is_empty()) {
            let mut wrong = group.alone[value].clone();
            for last in [false, true] {
                let others = groups.iter().enumerate().filter(|(other, _)| *other != index);
                let company = others.filter_map(|(_, other)| Some(other.assignments(other.sound(last)?)));
                let again = problems(template, company.flatten().chain(group.assignments(value)).collect());
                wrong.retain(|problem| again.iter().any(|other| same(problem, other)));
            }
            found.extend(wrong.into_iter().map(|problem| group.placed(problem)));
        }
    }
    found.extend(base);
    found
}

impl<'a> Group<'a> {
    fn new(axes: Vec<&'a Axis>) -> Self {
        let count = |axis: &&Axis| match &axis.values {
            Values::List(levels) => levels.len(),
            Values::Range(_) => 2,
        };
        let count = axes.iter().map(count).max().unwrap_or(0);
        // What is between the ends of a range is sound if they are.
        let tried: Vec<usize> = match axes.iter().all(|axis| axis.is_range) {
            true => vec![0, count - 1],
            false => (0..count).collect(),
        };
        let values = axes.iter().map(|axis| {
            let of_range;
            let levels = match &axis.values {
                Values::List(levels) => levels,
                Values::Range(range) => {
                    of_range = range.levels(count as u64);
                    &of_range
                }
            };
            tried.iter().map(|&value| levels[value.min(levels.len() - 1)].clone()).collect()
        });
        Group { values: values.collect(), axes, alone: Vec::new() }
    }

    fn count(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    fn assignments(&self, value: usize) -> Vec<Assignment> {
        let assign = |(axis, levels): (&&Axis, &Vec<Level>)| Assignment {
            key: axis.key.clone(),
            value: levels[value].text.clone(),
        };
        self.axes.iter().zip(&self.values).map(assign).collect()
    }

    /// The first or last value that is sound alone.
    fn sound(&self, last: bool) -> Option<usize> {
        let is_sound = |value: &usize| self.alone[*value].is_empty();
        let mut values = 0..self.count();
        if last { values.rfind(is_sound) } else { values.find(is_sound) }
    }

    /// What has a line in a file stays there; the rest is of the axis it names, or of the first that moves.
    fn placed(&self, problem: Problem) -> Problem {
        if problem.line > 0 {
            return problem;
        }
        let names = |axis: &&&Axis| {
            let last = axis.key.rsplit('.').next().unwrap_or(&axis.key);
            problem.read.contains(last) || problem.file == axis.key
        };
        let axis = self.axes.iter().find(names).unwrap_or(&self.axes[0]);
        let read = match problem.read.contains(&axis.key) {
            true => problem.read,
            false => format!("{}: {}", axis.key, problem.read),
        };
        axis.place.problem("--vary", read, problem.remedies)
    }
}

fn problems(template: &Template, assignments: Vec<Assignment>) -> Vec<Problem> {
    template.with(&assignments).err().map_or(Vec::new(), |problems| problems.0)
}

fn same(one: &Problem, other: &Problem) -> bool {
    one.read == other.read && one.line == other.line
}
