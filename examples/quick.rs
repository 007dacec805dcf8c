//! quick
use writepath::dist::Dist;
use writepath::redis::config::*;
use writepath::scenario::*;
use writepath::sim::*;
use writepath::units::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let kind = args.get(1).map(String::as_str).unwrap_or("article");
    let model = args.get(2).map(String::as_str).unwrap_or("two-core-vm");
    let machine = writepath::models::load(model).unwrap().0;
    let mut redis = RedisConfig::defaults("7.2".parse().unwrap());
    let mut dataset = Dataset { keys: 53_000_000, prefilled: true, key_size: 20, value_size: Dist::Fixed(100.0), ttl_share: 0.0, fragmentation: 1.1 };
    let mut w = Workload { name: "workload-1".into(), source: Source::Open { schedule: vec![(0, 5000.0)], arrivals: Arrivals::Poisson }, connections: 50, pipeline: 1, mix: vec![("SET".parse().unwrap(), 1.0)], keys: KeyPopularity::Uniform, key_size: 20, value_size: Dist::Fixed(100.0) };
    let mut duration = 21600 * SECOND;
    match kind {
        "article" => { redis.appendonly = true; }
        "pipelined" => { redis.save.clear(); dataset.keys = 1; w.keys = KeyPopularity::Single; w.pipeline = 16; w.source = Source::Closed { think: Dist::Fixed(0.0) }; duration = 100 * SECOND; }
        "closed" => { redis.save.clear(); dataset.keys=1000000; w.source = Source::Closed { think: Dist::Fixed(0.0) }; duration = 100 * SECOND; }
        "zipf" => { redis.appendonly = true; dataset.keys = 1_000_000_000; w.keys = KeyPopularity::Zipf { s: 0.99 }; w.value_size = Dist::Lognormal { mean: 100.0, scv: 1.5 }; w.source = Source::Open { schedule: vec![(0, 50000.0)], arrivals: Arrivals::Poisson }; duration = 600 * SECOND; }
        other => { let p: u32 = other.parse().unwrap(); redis.save.clear(); dataset.keys=1000000; w.pipeline = p; w.source = Source::Closed { think: Dist::Fixed(0.0) }; duration = 20 * SECOND;
          if let Some(f) = args.get(3) { redis.appendonly = f != "off"; redis.appendfsync = match f.as_str() { "always" => AppendFsync::Always, "no" => AppendFsync::No, _ => AppendFsync::Everysec }; } }
    }
    w.key_size = 16; dataset.key_size = 16;
    let scenario = Scenario { name: kind.into(), redis, dataset, workloads: vec![w], events: vec![], machine, run: RunConfig { duration, warmup: duration.min(600 * SECOND) / 10, seed: 1, windows: vec![10 * SECOND, 60 * SECOND], interval: SECOND, allow_overload: false, stall_threshold: MILLISECOND }, start: StartState { changes_since_save: 0, last_save_age: 0, aof_base_size: None, aof_current_size: None, used_memory: None, used_memory_rss: None }, settings: vec![], notes: vec![], directives_used: vec![], directives_not_modelled: vec![] };
    let t = std::time::Instant::now();
    let r = run(&scenario, &RunOptions::default(), &mut |_| true).unwrap();
    let dt = t.elapsed().as_secs_f64();
    let all = &r.scopes[0].sojourn;
    println!("{} requests {} in {:.2}s = {:.1} M/s; thr {:.0}/s", kind, r.completed, dt, r.completed as f64 / dt / 1e6, r.completed as f64 / ((r.duration - r.warmup) as f64 / 1e9));
    println!("mean {:.1}us {:?}", all.mean() / 1e3, [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0].map(|q| format_span(all.quantile(q))));
    let [v50, v99, v999] = r.closed_loop_view.quantiles([0.5, 0.99, 0.999]);
    println!("view {} {} {} max {}", format_span(v50), format_span(v99), format_span(v999), format_span(r.closed_loop_view.max()));
    for (i, b) in r.busy.iter().enumerate() { if *b > 0 { println!("  {:24} {:.4}", writepath::cause::Cause::ALL[i].name(), *b as f64 / (r.duration - r.warmup) as f64); } }
    println!("busy {:.3}", r.busy_total as f64 / (r.duration - r.warmup) as f64);
    println!("{:?}\n{:?}\n{:?}", r.counters, r.loss, r.memory);
    for s in r.stalls.iter().take(5) { println!("{:?}", s); }
    for c in r.children.iter().take(3) { println!("{:?}", c); }
    println!("{:?}", r.scopes[0].windows);
}
