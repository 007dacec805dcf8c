//! Scenarios that come with the program.

/// (name, text) of each, in the order of `writepath list scenarios`.
const ALL: &[(&str, &str)] = &[
    ("article", include_str!("../../experiments/scenarios/article.toml")),
    ("article-rewrite", include_str!("../../experiments/scenarios/article-rewrite.toml")),
    ("benchmark", include_str!("../../experiments/scenarios/benchmark.toml")),
    ("default-config", include_str!("../../experiments/scenarios/default-config.toml")),
    ("persistence-none", include_str!("../../experiments/scenarios/persistence-none.toml")),
    ("persistence-rdb", include_str!("../../experiments/scenarios/persistence-rdb.toml")),
    ("persistence-everysec", include_str!("../../experiments/scenarios/persistence-everysec.toml")),
    ("persistence-always", include_str!("../../experiments/scenarios/persistence-always.toml")),
    ("persistence-both", include_str!("../../experiments/scenarios/persistence-both.toml")),
    ("slow-disk", include_str!("../../experiments/scenarios/slow-disk.toml")),
    ("pipelined", include_str!("../../experiments/scenarios/pipelined.toml")),
    ("hot-key", include_str!("../../experiments/scenarios/hot-key.toml")),
    ("hot-key-sharded", include_str!("../../experiments/scenarios/hot-key-sharded.toml")),
    ("streams-vs-counters", include_str!("../../experiments/scenarios/streams-vs-counters.toml")),
    ("closed-loop-50", include_str!("../../experiments/scenarios/closed-loop-50.toml")),
    ("replica-lag", include_str!("../../experiments/scenarios/replica-lag.toml")),
    ("replica-stopped", include_str!("../../experiments/scenarios/replica-stopped.toml")),
    ("full-resync", include_str!("../../experiments/scenarios/full-resync.toml")),
    ("resync-loop", include_str!("../../experiments/scenarios/resync-loop.toml")),
    ("expiry-stampede-steady", include_str!("../../experiments/scenarios/expiry-stampede-steady.toml")),
    (
        "expiry-stampede-synchronised",
        include_str!("../../experiments/scenarios/expiry-stampede-synchronised.toml"),
    ),
    ("rate-limiter-racy", include_str!("../../experiments/scenarios/rate-limiter-racy.toml")),
    ("rate-limiter-nx", include_str!("../../experiments/scenarios/rate-limiter-nx.toml")),
    ("rate-limiter-lua", include_str!("../../experiments/scenarios/rate-limiter-lua.toml")),
    ("rate-limiter-multi", include_str!("../../experiments/scenarios/rate-limiter-multi.toml")),
    ("retry-storm", include_str!("../../experiments/scenarios/retry-storm.toml")),
    ("expiry-storm", include_str!("../../experiments/scenarios/expiry-storm.toml")),
    ("expiry-jitter", include_str!("../../experiments/scenarios/expiry-jitter.toml")),
    ("atomic-3-to-4", include_str!("../../experiments/scenarios/atomic-3-to-4.toml")),
    ("atomic-3-to-4-redis", include_str!("../../experiments/scenarios/atomic-3-to-4-redis.toml")),
    ("ttl-aligned-to-minute", include_str!("../../experiments/scenarios/ttl-aligned-to-minute.toml")),
    ("reshard-uniform", include_str!("../../experiments/scenarios/reshard-uniform.toml")),
    ("reshard-hot-slot", include_str!("../../experiments/scenarios/reshard-hot-slot.toml")),
    ("client-without-ask", include_str!("../../experiments/scenarios/client-without-ask.toml")),
    ("client-ask-as-moved", include_str!("../../experiments/scenarios/client-ask-as-moved.toml")),
    ("reshard-big-keys", include_str!("../../experiments/scenarios/reshard-big-keys.toml")),
    ("rebalance-3-to-4", include_str!("../../experiments/scenarios/rebalance-3-to-4.toml")),
    ("rebalance-4-to-3", include_str!("../../experiments/scenarios/rebalance-4-to-3.toml")),
    ("shards-1-to-16", include_str!("../../experiments/scenarios/shards-1-to-16.toml")),
    ("split-writes-and-reads", include_str!("../../experiments/scenarios/split-writes-and-reads.toml")),
];

/// The text of a built-in scenario.
pub fn get(name: &str) -> Option<&'static str> {
    ALL.iter().find(|scenario| scenario.0 == name).map(|scenario| scenario.1)
}

/// Name and text of every built-in scenario.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().copied()
}

/// The first sentence of a scenario's comment block: what it asks.
pub fn description(text: &str) -> String {
    let block: Vec<&str> = text
        .lines()
        .skip_while(|line| line.starts_with("#:") || line.trim().is_empty())
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .collect();
    let block = block.join(" ");
    let ends = |(at, c): (usize, char)| {
        matches!(c, '.' | '?') && block[at + 1..].chars().next().is_none_or(char::is_whitespace)
    };
    match block.char_indices().find(|&at| ends(at)) {
        Some((at, _)) => block[..=at].to_owned(),
        None => block,
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::{Overrides, resolve};
    use super::*;
    use std::path::Path;

    #[test]
    fn every_scenario_resolves_and_says_what_it_asks() {
        for (name, text) in all() {
            let scenario = resolve(text, name, Path::new(""), &Overrides::default());
            let scenario = scenario.unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
            assert_eq!(scenario.name, name);
            assert!(text.starts_with("#:schema ../scenario.schema.json\n"), "{name}");
            assert!(description(text).len() > 20, "{name}: {}", description(text));
            assert!(text.contains("# Notice:"), "{name}");
        }
        assert!(get("article").is_some() && get("nothing").is_none());
    }

    #[test]
    fn the_description_is_the_first_sentence() {
        assert_eq!(description("#:schema x\n\n# What does\n# 0.5 ms do? More.\n"), "What does 0.5 ms do?");
        assert_eq!(description(""), "");
    }
}
