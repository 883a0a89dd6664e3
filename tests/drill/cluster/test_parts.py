"""The small parts: quantities, ages, protobuf, types, tables."""

from datetime import timedelta

import pytest

from console.drill.cluster import Cluster, protobuf, quantity
from console.drill.cluster.errors import ApiError
from console.drill.cluster.printers import human_duration, pod_reason
from console.drill.cluster.schema import Pruner, of
from tests.drill.cluster.replay import deployment


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("100m", 0.1, "100m"),
        ("0.5", 0.5, "500m"),
        ("2", 2, "2"),
        ("2048Mi", 2 * 2**30, "2Gi"),
        ("1536Mi", 1.5 * 2**30, "1536Mi"),
        ("1e3", 1000, "1k"),
        ("1500000u", 1.5, "1500m"),
        ("0", 0, "0"),
    ],
)
def test_quantities(text: str, value: float, canonical: str) -> None:
    assert quantity.parse(text) == pytest.approx(value)
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1GiB", "--1"])
def test_nonsense_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=9, seconds=59), "9m59s"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3, minutes=5), "3h5m"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=7, hours=2), "7d2h"),
        (timedelta(days=700), "700d"),
        (timedelta(days=800), "2y70d"),
        (timedelta(seconds=-1), "0s"),
        (timedelta(seconds=-9), "<invalid>"),
    ],
)
def test_ages_are_shown_as_kubectl_does(age: timedelta, shown: str) -> None:
    assert human_duration(age.total_seconds()) == shown


def field(number: int, data: bytes) -> bytes:
    """Encode a protobuf field of bytes shorter than 128."""
    return bytes((number << 3 | 2, len(data))) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """Encode a body in the Kubernetes format."""
    return b"k8s\0" + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw)


def test_protobuf_bodies_are_decoded() -> None:
    labels = field(11, field(1, b"app") + field(2, b"web"))
    meta = field(1, field(1, b"web") + field(3, b"") + labels)
    spec = field(2, bytes((1 << 3, 0, 5 << 3, 0)))
    assert protobuf.decode(envelope("apps/v1", "Deployment", meta + spec)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": 0},
    }
    data = field(2, field(1, b"key") + field(2, b"\xff\x00"))
    assert protobuf.decode(envelope("v1", "Secret", data))["data"] == {"key": "/wA="}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"k8s\0\xff", envelope("v1", "Unknown", b""), envelope("v1", "Pod", b"\x0a\x7f")]
)
def test_broken_protobuf_is_a_400(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(body)
    assert caught.value.code == 400


def test_unknown_fields_are_dropped_and_named() -> None:
    pruner = Pruner("Deployment", "v1")
    body = deployment("web")
    body["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    body["spec"]["paused"] = None
    body["metadata"]["labels"] = {}
    kept = pruner.prune(body, of("apps.v1.Deployment"))
    assert pruner.unknown == ["spec.template.spec.containers[0].imag"]
    assert "imag" not in kept["spec"]["template"]["spec"]["containers"][0]
    assert "paused" not in kept["spec"]
    assert "labels" not in kept["metadata"]


def test_the_status_column_tells_the_worst(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1, "registry.example/auth:bad"), "production")
    cluster.tick()
    assert pod_reason(cluster.pods_of("web", "production")[0]) == "ContainerCreating"
    cluster.advance(3)
    (pod,) = cluster.pods_of("web", "production")
    assert pod_reason(pod) in ("ErrImagePull", "ImagePullBackOff")
    cluster.delete("pod", pod["metadata"]["name"], "production")
    assert pod_reason(cluster.get("pod", pod["metadata"]["name"], "production")) == "Terminating"


def test_init_containers_go_first(cluster: Cluster) -> None:
    body = deployment("web", 1)
    body["spec"]["template"]["spec"]["initContainers"] = [{"name": "wait", "image": "wait:1"}]
    cluster.create(body, "production")
    cluster.advance(1.5)
    (pod,) = cluster.pods_of("web", "production")
    assert pod_reason(pod).startswith("Init:0/1")
    cluster.settle()
    (pod,) = cluster.pods_of("web", "production")
    assert pod_reason(pod) == "Running"
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_a_crash_on_demand(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.settle()
    name = cluster.pods_of("web", "production")[0]["metadata"]["name"]
    cluster.crash(name, "production", exit_code=139, reason="Error")
    cluster.advance(5)
    status = cluster.get("pod", name, "production")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"], status["ready"]) == (
        1,
        139,
        True,
    )
