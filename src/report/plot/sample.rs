//! A small sweep as files have it.

/// Two axes, six points: one overloaded, one with too little data. The second axis is not in order.
pub const POINTS: &str = "\
redis_appendfsync,workload_rate_per_s,point,replications,scenario,seed,status,reason,sojourn_ns_p99,sojourn_ns_p99_low,\
sojourn_ns_p99_high,sojourn_ns_p99_reason,throughput_per_s,throughput_per_s_low,throughput_per_s_high
no,10000,0,3,article,1,ok,,350000,340000,361000,,10000,9990,10010
no,1000,1,3,article,1,ok,,300000,290000,310000,,1000,999,1001
no,100000,2,3,article,1,ok,,2000000,1800000,2300000,,100000,99900,100100
always,10000,3,3,article,1,ok,,9000000,,,,10000,9990,10010
always,1000,4,3,article,1,ok,,,,,\"needs 20 forks,
  has 3\",1000,999,1001
always,100000,5,0,article,,overload,\"offered load is 61.2;
  lower the rate\",,,,,,,
";

/// A grid of two policies, two rates and two models.
pub const THREE_AXES: &str = "\
redis_appendfsync,workload_rate_per_s,model,point,replications,scenario,status,reason,sojourn_ns_p99
no,1000,cloud-vm,0,1,article,ok,,300000
no,1000,two-core-vm,1,1,article,ok,,310000
no,2000,cloud-vm,2,1,article,ok,,320000
no,2000,two-core-vm,3,1,article,ok,,330000
always,1000,cloud-vm,4,1,article,ok,,3000000
always,1000,two-core-vm,5,1,article,ok,,3100000
always,2000,cloud-vm,6,1,article,ok,,3200000
always,2000,two-core-vm,7,1,article,ok,,3300000
";

/// Two axes that move together.
pub const TOGETHER: &str = "\
workload_rate_per_s,workload_connections,point,replications,scenario,status,reason,sojourn_ns_p99
1000,10,0,1,article,ok,,300000
2000,20,1,1,article,ok,,310000
3000,30,2,1,article,ok,,320000
";

/// Five seconds of a run, the third without a request.
pub const TIMELINE: &str = "\
scenario,seed,time_s,completed,throughput_per_s,sojourn_ns_p99
article,1,61,5000,5000,300000
article,1,62,5000,5000,320000
article,1,63,0,0,
article,1,64,10000,10000,120000000
article,1,65,5000,5000,500000
";

/// What stalled it.
pub const EVENTS: &str = "\
scenario,seed,start_s,span_ns,cause,detail
article,1,63.5,120000000,fork,BGSAVE
article,1,63.5,0,child,started
article,1,64.5,100000000,fork,BGSAVE
article,1,64.8,3000000,aof-write,
";

/// It as a whole, and in one window of 10 s.
pub const SUMMARY: &str = "\
scenario,seed,scope,window_s,windows,throughput_per_s,sojourn_ns_p99,p99_ns_median,p99_ns_worst
article,1,all,,,5000,353000,,
article,1,write,,,5000,353000,,
article,1,all,10,1,,,99000000,99000000
article,1,write,10,1,,,99000000,99000000
";
