"""An M/M/1 queue in SimPy; started by src/interpreter.rs.

mm1.py SEED CUSTOMERS RATE SERVICE writes 8-byte floats: CPU time, then arrival and sojourn of each customer [s].
"""

import random
import sys
import time
from array import array

import simpy


def customer(env, server, service, log):
    arrived_at = env.now
    with server.request() as turn:
        yield turn
        yield env.timeout(random.expovariate(1 / service))
    log.append(arrived_at)
    log.append(env.now - arrived_at)


def source(env, server, customers, rate, service, log):
    for _ in range(customers):
        yield env.timeout(random.expovariate(rate))
        env.process(customer(env, server, service, log))


def main(seed, customers, rate, service):
    random.seed(int(seed))
    log = array("d")
    env = simpy.Environment()
    env.process(source(env, simpy.Resource(env), int(customers), float(rate), float(service), log))
    start = time.process_time()
    env.run()
    log.insert(0, time.process_time() - start)
    if sys.byteorder == "big":
        log.byteswap()
    log.tofile(sys.stdout.buffer)


main(*sys.argv[1:])
