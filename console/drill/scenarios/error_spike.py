"""A changed setting, not a new image: tokens that expire as they are issued."""

from __future__ import annotations

from console.drill import manifests
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, PodView
from console.drill.traffic import Fault

AUTH = BY_NAME["auth-service"]
SETTING = "TOKEN_TTL"
LEAST = 60


class ErrorSpike(Scenario):
    """A revision of auth-service with the same image and a token lifetime of one second."""

    name = "error-spike"
    summary = (
        "A changed environment variable of auth-service, same image, makes a quarter of its requests fail."
    )
    cure = "Set TOKEN_TTL of auth-service back to 3600, or roll back to the revision before the change."
    service = "auth-service"
    right = ("k8s.set-env", "k8s.rollback", "k8s.apply")

    async def begin(self) -> None:
        """Shorten the lifetime of tokens."""
        self.ratio = self.rng.uniform(0.2, 0.3)
        change = manifests.release(AUTH, AUTH.version, "shorter tokens, as security asked", {SETTING: "1"})
        self.change(AUTH.name, change)

    def present(self) -> bool:
        """Whether the setting is wanted or still runs."""
        wanted = {
            env["name"]: env.get("value", "")
            for one in self.containers(AUTH.name)
            for env in one.get("env") or ()
        }
        return _short(wanted.get(SETTING, "")) or any(
            _short(pod.env.get(SETTING, "")) for pod in self.world.pods if pod.workload == AUTH.name
        )

    def fault(self, pod: PodView) -> Fault:
        """Pods with the short lifetime fail."""
        if pod.workload == AUTH.name and _short(pod.env.get(SETTING, "")):
            return Fault(errors=self.ratio)
        return Fault()

    def complaint(self, _: PodView) -> str:
        """What they write."""
        return "token: expired 0s after it was issued"


def _short(value: str) -> bool:
    return value.isdigit() and int(value) < LEAST
