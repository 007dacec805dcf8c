def allow(r, user):
    key = f"rate:{user}"
    # The first request of a minute begins the counter.
    if r.set(key, 0, nx=True, ex=60):
        pass
    return r.incr(key) <= 100
