from typing import Any

from console.mitigations.kubernetes.diff import changes


def deployment(**template: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop", "resourceVersion": "1", "generation": 1, "managedFields": [{"a": 1}]},
        "spec": {"replicas": 3, "template": template},
        "status": {"replicas": 3},
    }


def container(name: str, image: str, **env: str) -> dict[str, Any]:
    return {"name": name, "image": image, "env": [{"name": k, "value": v} for k, v in env.items()]}


def test_one_changed_field_is_one_change_with_a_readable_path() -> None:
    live = deployment(spec={"containers": [container("app", "shop:v2")]})
    result = deployment(spec={"containers": [container("app", "shop:v1")]})

    found = changes(live, result)

    assert [(c.path, c.before, c.after) for c in found] == [
        ("spec.template.spec.containers[app].image", "shop:v2", "shop:v1")
    ]


def test_what_every_write_changes_is_left_out() -> None:
    live, result = deployment(), deployment()
    result["metadata"].update(resourceVersion="2", generation=2, managedFields=[{"b": 2}])
    result["status"] = {"replicas": 0}

    assert changes(live, result) == ()


def test_an_inserted_container_is_not_a_change_of_the_others() -> None:
    live = deployment(spec={"containers": [container("app", "a:1")]})
    result = deployment(spec={"containers": [container("sidecar", "s:1"), container("app", "a:1")]})

    (found,) = changes(live, result)

    assert found.path == "spec.template.spec.containers[sidecar]"
    assert found.before == "(absent)"


def test_annotation_keys_with_dots_stay_one_step() -> None:
    live, result = deployment(metadata={}), deployment(metadata={"annotations": {"a.io/x": "1"}})
    live["spec"]["template"]["metadata"]["annotations"] = {}

    (found,) = changes(live, result)

    assert found.path == 'spec.template.metadata.annotations["a.io/x"]'


def test_secrets_are_masked_on_both_sides_but_seen_to_change() -> None:
    live = deployment(spec={"containers": [container("app", "a", DB_PASSWORD="old-one", MODE="a")]})
    result = deployment(spec={"containers": [container("app", "a", DB_PASSWORD="new-one", MODE="b")]})

    found = {c.path: (c.before, c.after) for c in changes(live, result)}

    env = "spec.template.spec.containers[app].env"
    assert found == {f"{env}[DB_PASSWORD].value": ("REDACTED", "REDACTED"), f"{env}[MODE].value": ("a", "b")}


def test_a_whole_new_item_hides_its_secret_too() -> None:
    live = deployment(spec={"containers": [container("app", "a")]})
    result = deployment(spec={"containers": [container("app", "a", API_TOKEN="hunter2hunter2")]})

    assert "hunter2" not in repr(changes(live, result))


def test_control_characters_and_length_are_tamed() -> None:
    live = deployment(spec={"containers": [container("app", "a", X="1")]})
    result = deployment(spec={"containers": [container("app", "a", X="\x1b[31m" + "y" * 5000)]})

    (found,) = changes(live, result)

    assert "\x1b" not in found.after
    assert len(found.after) <= 200
