//! Which points of a sweep one of several machines runs.
//!
//! Shard i of n has one point of every n in a row. Which one turns from row to row in a fixed, scrambled way: were it
//! always the i-th, an axis of n values would give each shard one value, and one shard all the slow points.

use std::fmt;

/// A share of a sweep's points: shard `number` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    count: u64,
}

/// Most shards of a sweep: `merge` opens them all at once.
pub const SHARDS_MAX: u64 = 10_000;

impl Shard {
    /// All points.
    pub const WHOLE: Shard = Shard { number: 1, count: 1 };

    /// Shard `number` of `count`; none unless 1 ≤ number ≤ count ≤ [`SHARDS_MAX`].
    pub fn new(number: u64, count: u64) -> Option<Shard> {
        (1 <= number && number <= count && count <= SHARDS_MAX).then_some(Shard { number, count })
    }

    /// Its number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Number of shards.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of its points when there are `points` in all.
    pub fn points(&self, points: u64) -> u64 {
        let rows = points / self.count;
        let last = rows * self.count + self.place(rows);
        rows + u64::from(last < points)
    }

    /// Its points among `points`, rising.
    pub fn indices(self, points: u64) -> impl Iterator<Item = u64> + Send {
        (0..self.points(points)).map(move |row| self.index(row))
    }

    /// Its point in the row-th row of points, one a shard.
    pub fn index(&self, row: u64) -> u64 {
        row * self.count + self.place(row)
    }

    /// Whether a point is its own.
    pub fn holds(&self, index: u64) -> bool {
        index % self.count == self.place(index / self.count)
    }

    /// Its place in a row.
    fn place(&self, row: u64) -> u64 {
        (self.number - 1 + scrambled(row) % self.count) % self.count
    }
}

/// The mixing function of SplitMix64 (Steele, Lea and Flood 2014).
fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// What `--shard` says.
///
/// `i/n` names the shard. `auto` takes it from the environment of an array engine, and `auto/n` the same where the engine
/// does not tell the number of tasks. `environment` gives the value of a variable.
///
/// # Errors
/// What is wrong and what to do.
pub fn parse(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let (number, count) = match text.split_once('/') {
        Some((number, count)) => (number, Some(whole(count).ok_or_else(|| unreadable(text))?)),
        None => (text, None),
    };
    match (number, count) {
        ("auto", count) => from_environment(count, environment),
        (number, Some(count)) => checked(whole(number).ok_or_else(|| unreadable(text))?, count),
        _ => Err(unreadable(text)),
    }
}

fn whole(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn unreadable(text: &str) -> String {
    format!("{text:?} is no shard\n  write i/n (2/8), or auto in the task of an array engine")
}

fn checked(number: u64, count: u64) -> Result<Shard, String> {
    Shard::new(number, count).ok_or_else(|| match count {
        1..=SHARDS_MAX => {
            format!("there is no shard {number} of {count}\n  shards are 1/{count} to {count}/{count}")
        }
        _ => format!("{count} shards are not possible\n  from 1 to {SHARDS_MAX} are"),
    })
}

/// How an array engine tells a task its place.
struct Engine {
    name: &'static str,
    index: &'static str,
    /// Variable with the number of tasks; none: the engine does not tell it.
    count: Option<&'static str>,
    /// The first task's index: a variable with it, or a number.
    first: First,
}

enum First {
    Fixed(u64),
    Variable(&'static str),
}

const ENGINES: [Engine; 5] = [
    Engine {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        first: First::Variable("SLURM_ARRAY_TASK_MIN"),
    },
    Engine { name: "PBS", index: "PBS_ARRAY_INDEX", count: None, first: First::Fixed(1) },
    Engine {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        count: Some("JOB_COMPLETION_COUNT"),
        first: First::Fixed(0),
    },
    Engine {
        name: "AWS Batch",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        count: Some("AWS_BATCH_JOB_ARRAY_SIZE"),
        first: First::Fixed(0),
    },
    Engine { name: "HyperQueue", index: "HQ_TASK_ID", count: None, first: First::Fixed(1) },
];

fn from_environment(
    count: Option<u64>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let found: Vec<(&Engine, String)> =
        ENGINES.iter().filter_map(|engine| Some((engine, environment(engine.index)?))).collect();
    let [(engine, index)] = &found[..] else {
        let names = |engines: &mut dyn Iterator<Item = &Engine>| {
            engines.map(|engine| engine.index).collect::<Vec<_>>().join(", ")
        };
        return Err(match found.is_empty() {
            true => format!(
                "no array engine is seen: none of {} is set\n  write i/n (2/8)",
                names(&mut ENGINES.iter())
            ),
            false => format!(
                "several array engines are seen: {} are set\n  write i/n (2/8)",
                names(&mut found.iter().map(|found| found.0))
            ),
        });
    };
    let number = |name: &str, text: &str| {
        whole(text).ok_or_else(|| format!("{name}={text:?} is no whole number\n  write i/n (2/8)"))
    };
    let told = match engine.count.and_then(|name| Some((name, environment(name)?))) {
        Some((name, text)) => Some(number(name, &text)?),
        None => None,
    };
    let count = match (count, told) {
        // Tasks that are submitted again by themselves see a smaller array; their shard would be another one.
        (Some(count), Some(told)) if count != told => {
            return Err(format!(
                "{} runs {told} tasks, not {count}\n  give the shard of a task that is repeated by itself as i/n",
                engine.name
            ));
        }
        (Some(count), _) | (None, Some(count)) => count,
        (None, None) => {
            return Err(format!("{} does not tell the number of tasks\n  write auto/n", engine.name));
        }
    };
    let first = match engine.first {
        First::Fixed(first) => first,
        First::Variable(name) => {
            let text = environment(name).ok_or_else(|| format!("{name} is not set\n  write i/n (2/8)"))?;
            number(name, &text)?
        }
    };
    let index = number(engine.index, index)?;
    if index < first || index - first >= count || first > 1 {
        return Err(format!(
            "{}={index}, the first of {count} tasks being {first}, is no shard\n  let the array run from {} to {}",
            engine.index,
            first.min(1),
            first.min(1) + count.max(1) - 1
        ));
    }
    checked(index - first + 1, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_points_out_evenly_and_without_a_pattern() {
        for (points, count) in [(1u64, 1u64), (10, 3), (96, 4), (7, 8), (1000, 7)] {
            let mut owner = vec![0u64; points as usize];
            for number in 1..=count {
                let shard = Shard::new(number, count).expect("a shard");
                let own: Vec<u64> = shard.indices(points).collect();
                assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "{shard} rises");
                assert_eq!(own.len() as u64, shard.points(points));
                assert!((points / count..=points / count + 1).contains(&shard.points(points)));
                own.iter().for_each(|&index| owner[index as usize] += number * 1000 + 1);
                assert!((0..points).all(|index| shard.holds(index) == own.contains(&index)));
            }
            assert!(owner.iter().all(|sum| sum % 1000 == 1), "each point once: {points} in {count}");
        }
        // An axis of four values in four shards: each shard has each value about as often.
        let shard = Shard::new(2, 4).expect("a shard");
        let mut seen = [0; 4];
        shard.indices(4000).for_each(|index| seen[(index % 4) as usize] += 1);
        assert!(seen.iter().all(|&count| (190..=310).contains(&count)), "{seen:?}");
    }

    fn with(set: &[(&str, &str)], text: &str) -> Result<String, String> {
        let find = |name: &str| set.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        parse(text, &find).map(|shard| shard.to_string())
    }

    #[test]
    fn a_shard_is_named_or_found_in_the_environment() {
        let slurm = |id, min| {
            [("SLURM_ARRAY_TASK_ID", id), ("SLURM_ARRAY_TASK_COUNT", "8"), ("SLURM_ARRAY_TASK_MIN", min)]
        };
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(with(&[("SLURM_ARRAY_TASK_ID", "5")], "2/8"), ok("2/8"), "never silently");
        assert_eq!(with(&slurm("3", "1"), "auto"), ok("3/8"));
        assert_eq!(with(&slurm("0", "0"), "auto"), ok("1/8"));
        assert_eq!(with(&slurm("7", "0"), "auto/8"), ok("8/8"));
        assert_eq!(with(&[("PBS_ARRAY_INDEX", "4")], "auto/4"), ok("4/4"));
        assert_eq!(with(&[("HQ_TASK_ID", "1")], "auto/4"), ok("1/4"));
        assert_eq!(with(&[("JOB_COMPLETION_INDEX", "3")], "auto/4"), ok("4/4"));
        let aws = [("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")];
        assert_eq!(with(&aws, "auto"), ok("1/3"));
    }

    #[test]
    fn a_shard_that_cannot_be_is_refused() {
        for (set, text, told) in [
            (&[][..], "5/4", "there is no shard 5 of 4"),
            (&[], "0/4", "there is no shard 0 of 4"),
            (&[], "1/0", "0 shards are not possible"),
            (&[], "3", "\"3\" is no shard"),
            (&[], "a/b", "\"a/b\" is no shard"),
            (&[], "auto", "no array engine is seen"),
            (&[("PBS_ARRAY_INDEX", "1")], "auto", "does not tell the number of tasks"),
            (&[("PBS_ARRAY_INDEX", "0")], "auto/4", "from 1 to 4"),
            (&[("HQ_TASK_ID", "5")], "auto/4", "from 1 to 4"),
            (&[("HQ_TASK_ID", "1"), ("PBS_ARRAY_INDEX", "1")], "auto/4", "several array engines"),
            (&[("AWS_BATCH_JOB_ARRAY_INDEX", "0"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")], "auto/4", "3 tasks"),
            (
                &[
                    ("SLURM_ARRAY_TASK_ID", "7"),
                    ("SLURM_ARRAY_TASK_COUNT", "2"),
                    ("SLURM_ARRAY_TASK_MIN", "3"),
                ],
                "auto",
                "is no shard",
            ),
            (&[("SLURM_ARRAY_TASK_ID", "x"), ("SLURM_ARRAY_TASK_COUNT", "2")], "auto", "not set"),
        ] {
            let error = with(set, text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
