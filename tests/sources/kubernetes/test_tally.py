"""The sickest pod of a workload is kept while pods come, change and go."""

import random

from console.model.kube import Pod
from console.sources.kubernetes.tally import Tally
from tests.ui.cluster import pod, workload


def test_the_worst_is_always_the_first_of_the_gravest_by_name() -> None:
    rng, owner, tally = random.Random(7), workload("checkout"), Tally()
    there: dict[str, Pod] = {}
    for _ in range(2_000):
        number = rng.randrange(12)
        old = there.pop(f"{owner.uid}-p{number}", None)
        if old is not None:
            tally.drop(old)
        if rng.random() < 0.8:
            severity = rng.choice((0, 0, 40, 40, 70))
            new = pod(owner, number, sick=severity > 0, severity=severity)
            tally.add(new)
            there[new.uid] = new
        sick = [one for one in there.values() if one.sick]
        gravest = sorted(sick, key=lambda one: (-one.severity, one.name))[:1]
        assert (tally.sick, [tally.worst] if tally.worst else []) == (len(sick), gravest)
