//! The queue in nexosim: a source and a server, each an actor that schedules its own next event.

use std::collections::VecDeque;
use std::time::Duration;

use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::{EventSinkReader, Output, SinkState, event_slot};
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use writepath::observe::histogram::Histogram;

use crate::heap::exponential;
use crate::queue::{RATE, SERVICE, WARM_UP};

/// Sends customers.
#[derive(Serialize, Deserialize)]
struct Source {
    customer: Output<()>,
    left: u64,
    random: Xoshiro256PlusPlus,
}

#[Model]
impl Source {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        self.plan(context);
    }

    fn plan(&mut self, context: &Context<Self>) {
        let gap = span(1.0 / RATE, &mut self.random);
        context.schedule_event(gap, schedulable!(Self::arrive), ()).expect("in the future");
    }

    #[nexosim(schedulable)]
    async fn arrive(&mut self, _: (), context: &Context<Self>) {
        self.customer.send(()).await;
        self.left -= 1;
        if self.left > 0 {
            self.plan(context);
        }
    }
}

/// Serves them in order; tells the sojourns when it has served all.
#[derive(Serialize, Deserialize)]
struct Server {
    done: Output<Histogram>,
    left: u64,
    queue: VecDeque<u64>,
    #[serde(skip)]
    sojourns: Histogram,
    random: Xoshiro256PlusPlus,
}

#[Model]
impl Server {
    async fn arrive(&mut self, _: (), context: &Context<Self>) {
        if self.queue.is_empty() {
            self.begin(context);
        }
        self.queue.push_back(nanos(context.time()));
    }

    fn begin(&mut self, context: &Context<Self>) {
        let service = span(SERVICE, &mut self.random);
        context.schedule_event(service, schedulable!(Self::depart), ()).expect("in the future");
    }

    #[nexosim(schedulable)]
    async fn depart(&mut self, _: (), context: &Context<Self>) {
        let arrived_at = self.queue.pop_front().expect("somebody is served");
        if arrived_at >= WARM_UP {
            self.sojourns.record(nanos(context.time()) - arrived_at);
        }
        self.left -= 1;
        if self.left == 0 {
            self.done.send(std::mem::take(&mut self.sojourns)).await;
        } else if !self.queue.is_empty() {
            self.begin(context);
        }
    }
}

fn nanos(time: MonotonicTime) -> u64 {
    time.as_secs() as u64 * 1_000_000_000 + u64::from(time.subsec_nanos())
}

/// An exponential span, at least a nanosecond: an event now is none of the future.
fn span(mean: f64, random: &mut Xoshiro256PlusPlus) -> Duration {
    Duration::from_nanos(exponential(mean * 1e9, random).max(1))
}

/// Serves `customers` customers of the queue.
pub fn simulate(seed: u64, customers: u64) -> (u64, Histogram) {
    let random = |of: u64| Xoshiro256PlusPlus::seed_from_u64(2 * seed + of);
    let mut source = Source { customer: Output::default(), left: customers, random: random(0) };
    let mut server = Server {
        done: Output::default(),
        left: customers,
        queue: VecDeque::new(),
        sojourns: Histogram::new(),
        random: random(1),
    };
    let (source_box, server_box) = (Mailbox::new(), Mailbox::new());
    source.customer.connect(Server::arrive, &server_box);
    let (sink, mut done) = event_slot(SinkState::Enabled);
    server.done.connect_sink(sink);
    let mut simulation = SimInit::with_num_threads(1)
        .add_model(source, source_box, "source")
        .add_model(server, server_box, "server")
        .init(MonotonicTime::EPOCH)
        .expect("a sound bench");
    simulation.run().expect("it runs");
    (customers, done.try_read().expect("all were served"))
}
