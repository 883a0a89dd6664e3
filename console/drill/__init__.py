"""The simulated world: what a drill breaks and a team practises on.

Simulated: a Kubernetes API (``cluster``), the requests of a small shop (``shop``, ``traffic``). Real: a
PostgreSQL and a Redis (``postgres``, ``redis``) and the shop's clients of both (``apps``, ``pool``,
``work``), whose measured failures decide which of the simulated requests fail. Metrics come from
``metrics`` and are kept by a real Prometheus or by ``promql``; alerts by a real or the drill's own
Alertmanager. ``simulation`` moves it all by the second, ``scenario`` and ``scenarios`` break it, ``score``
judges, ``world`` starts and stops it, ``command`` is ``warroom drill``. Servers run under ``supervisor``, a
process that ends them when the drill ends in whatever way.

For tests::

    async with World(SCENARIOS["bad-release"], seed=1, speed=5, pace=0.03) as world:
        await world.pass_time(10)      # seconds of the drill, at 0.03 real seconds each
        await world.break_it()
        world.info.prometheus_url, world.simulation.cluster, world.course.cured_at
"""
