"""Runbook files: what is refused, what the bundled ones hold, and what they add to a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.config import Config, ConfigError, load, parse
from console.incident.runbook import LIMIT, UnreadableError, available, judge, load_runbook, understand
from console.model.actions import find
from console.model.runbook import NEXT_BUSINESS_DAY, Runbook
from console.runbooks import bundled

NAMES = ("agentic-canon", "aragora", "seekapa", "sergas", "startup-studio")

OWN = """\
name = "own"
title = "Own"
description = "Ours"
namespace = "shop"

[[severities]]
level = 1
label = "SEV1"
title = "SEV1"
definition = "Outage"
response = "15 min"
respond_within = 15

[[checks]]
name = "front"
url = "https://shop.test/health"
expect = [200, 204]

[[checks]]
name = "placeholder"
url = "https://api.example.com/health"
placeholder = true

[[queues]]
key = "jobs"

[[thresholds]]
error_ratio = 0.03

[[thresholds]]
service = "checkout"
workload = "deployment/checkout"
error_ratio = 0.01
p95 = 0.5
"""


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "WARROOM_POSTGRES_DSN", "WARROOM_STATE_DIR", "WARROOM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    return file


def complaints(text: str) -> str:
    """The sentences about a runbook of this text."""
    return "\n".join(sentence for _, sentence in judge(understand(text, "own.toml"))[1])


# ---- what is refused ----


@pytest.mark.parametrize(
    ("extra", "line", "words"),
    [
        ("[[contact]]\nrole = 'CTO'", 1, ["unknown key 'contact'", "did you mean 'contacts'"]),
        ("[[contacts]]\nrol = 'CTO'", 2, ["unknown key 'contacts.0.rol'", "did you mean 'role'"]),
        ("[[contacts]]\nreach = 'x'", 1, ["'contacts.0.role' is missing"]),
        ("[[contacts]]\nrole = 'CTO'\nverified = 'yes'", 3, ["contacts.0.verified"]),
        ("[[phases]]\nid = 'a b'\ntitle = 'x'", 2, ["phases.0.id"]),
        ("[[scenarios]]\nid = 's'\ntitle = 'S'\nfamily = 'outages'", 4, ["family", "'outage'"]),
        (
            "[[scenarios]]\nid = 's'\ntitle = 'S'\nfamily = 'outage'\n[[scenarios.mitigation]]\ntxt = 'x'",
            6,
            ["'scenarios.0.mitigation.0.txt'", "did you mean 'text'"],
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_name(
    tmp_path: Path, extra: str, line: int, words: list[str]
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(f"{OWN}\n{extra}\n")
    with pytest.raises(ConfigError) as caught:
        load_runbook(str(file))
    where = f"{file}:{line + len(OWN.splitlines()) + 1}: "
    there = [text for text in str(caught.value).splitlines() if text.startswith(where)]
    assert any(all(word in text for word in words) for text in there), str(caught.value)


@pytest.mark.parametrize("value", ["0", "true", '"soon"', "1.5"])
def test_an_answer_is_due_in_minutes_or_on_the_next_business_day(value: str) -> None:
    assert NEXT_BUSINESS_DAY in complaints(OWN.replace("respond_within = 15", f"respond_within = {value}"))


STEP = '[[recipes]]\nid = "r"\ntitle = "R"\n[[recipes.steps]]\ntext = "x"\n'


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (STEP + 'action = "k8s.rolback"\ntarget = "deployment/a"', "did you mean 'k8s.rollback'"),
        (STEP + 'action = "ui.zoom"\ntarget = "deployment/a"', "no mitigation is called 'ui.zoom'"),
        (STEP + 'action = "pg.cancel"\ntarget = "deployment/a"', "pg.cancel acts on pid"),
        (STEP + 'action = "k8s.restart"', "k8s.restart acts on"),
        (
            STEP + 'action = "k8s.scale"\ntarget = "deployment/a"\nparams.replica = "3"',
            "did you mean 'replicas'",
        ),
        (STEP + 'action = "pg.cancel"\ntarget = "pid/1"\nrun = "x"', "a step is one thing"),
        (STEP + 'target = "pid/1"', "belong to an action"),
        (STEP + "temporary = true", "needs its undo"),
        ('[[recipes]]\nid = "r"\ntitle = "R"', "'r' has no steps"),
        ('[[scenarios]]\nid = "s"\ntitle = "S"\nfamily = "outage"', "'s' has no mitigation"),
        (STEP + STEP, "'r' stands twice in recipes"),
        ('[[contacts]]\nrole = "A"\n[[contacts]]\nrole = "A"', "'A' stands twice in contacts"),
        ('[[triage]]\nid = "a"\nask = "?"\nyes = 1\nno = "a"', "no later question is called 'a'"),
        ('[[phases]]\nid = "a"\ntitle = "A"\nminutes = [9, 3]', "ends before it begins"),
        ('[[phases]]\nid = "a"\ntitle = "A"\nparallel_with = "b"', "no phase is called 'b'"),
        (
            '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\nfields.titel = ""\n'
            'messages.update = "{title}"',
            "{title} is no field; did you mean 'titel'?",
        ),
        (
            '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\nfields = { a = "", b = "" }\n'
            'messages.update = "{b} {a}"',
            "another order",
        ),
    ],
)
def test_parts_must_not_contradict_each_other(extra: str, words: str) -> None:
    assert words in complaints(f"{OWN}\n{extra}\n")


def test_a_runbook_defines_a_severity() -> None:
    head = 'name = "own"\ntitle = "Own"\ndescription = "Ours"\n'
    assert complaints(head) == "'severities' is missing"
    assert complaints(head + "severities = []") == "a runbook defines at least one severity"


def test_who_is_escalated_to_must_be_a_contact(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(
        OWN.replace("respond_within = 15", 'respond_within = 15\nescalate_to = ["CTOO"]')
        + '\n[[contacts]]\nrole = "CTO"\n'
    )
    with pytest.raises(
        ConfigError, match=r"bad.toml:13: no contact has the role 'CTOO'; did you mean 'CTO'\?"
    ):
        load_runbook(str(file))


def test_a_mark_of_the_byte_order_that_some_editors_write_is_no_part_of_the_file(own: Path) -> None:
    own.write_text(own.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert load_runbook(str(own), own.parent).name == "own"


@pytest.mark.parametrize("letter", ["x", "é", "–", "🔥"])
def test_a_file_beyond_the_limit_is_refused_and_not_read_in_part(own: Path, letter: str) -> None:
    size = len(OWN.encode())
    filler = f"# {letter}\n".encode()
    whole = OWN.encode() + filler * ((LIMIT - size) // len(filler))
    own.write_bytes(whole + b"\n" * (LIMIT - len(whole)))
    assert load_runbook(str(own)).name == "own"
    own.write_bytes(whole + filler)
    with pytest.raises(UnreadableError, match=f"larger than {LIMIT} bytes"):
        load_runbook(str(own))


def test_control_characters_do_not_survive_the_reading() -> None:
    text = OWN.replace('title = "Own"', 'title = "O\\u001b[31mwn\\u202e"', 1)
    runbook, _ = judge(understand(text, "own.toml"))
    assert runbook is not None
    assert runbook.title == "Own\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sergass", "there is no runbook 'sergass'; did you mean 'sergas'?"),
        ("./none.toml", "none.toml: cannot be read"),
    ],
)
def test_a_runbook_that_is_not_there_is_a_sentence(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_runbook(name)
    assert words in str(caught.value)


def test_an_own_runbook_beside_the_configuration_counts_first(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "warroom" / "runbooks"
    folder.mkdir(parents=True)
    (folder / "sergas.toml").write_text(OWN)
    (folder / "shop.toml").write_text(OWN)
    assert set(available()) == {*NAMES, "shop"}
    assert load_runbook("sergas").title == "Own"
    assert load_runbook("shop").title == "Own"


# ---- what the bundled ones hold ----


@pytest.fixture(params=NAMES)
def runbook(request: pytest.FixtureRequest) -> Runbook:
    return load_runbook(request.param)


def test_the_five_are_there_under_their_names() -> None:
    assert tuple(bundled()) == NAMES
    assert all(load_runbook(name).name == name for name in NAMES)


def test_each_has_four_severities_and_scenarios_that_end_in_mitigations(runbook: Runbook) -> None:
    assert [item.level for item in runbook.severities] == [1, 2, 3, 4]
    assert runbook.scenarios
    for scenario in runbook.scenarios:
        assert scenario.mitigation
        assert all(find(step.action) for step in scenario.mitigation if step.action)


def test_no_message_has_a_place_that_is_no_field(runbook: Runbook) -> None:
    for template in runbook.templates:
        assert template.placeholders == tuple(template.fields)


def test_there_are_seventeen_templates() -> None:
    assert {name: len(load_runbook(name).templates) for name in NAMES} == {
        "sergas": 3,
        "seekapa": 4,
        "agentic-canon": 5,
        "startup-studio": 3,
        "aragora": 2,
    }


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("sergas", [5, 15, 60, NEXT_BUSINESS_DAY]),
        ("seekapa", [5, 15, 60, NEXT_BUSINESS_DAY]),
        ("agentic-canon", [15, 30, 120, NEXT_BUSINESS_DAY]),
        ("startup-studio", [15, 60, 240, NEXT_BUSINESS_DAY]),
        ("aragora", [15, 30, 120, 1440]),
    ],
)
def test_the_response_clocks_are_those_of_each_document(name: str, minutes: list[object]) -> None:
    assert [item.respond_within for item in load_runbook(name).severities] == minutes


def test_the_cadence_of_a_message_is_that_of_the_severity() -> None:
    canon = load_runbook("agentic-canon")
    assert [item.update_due for item in canon.severities] == [15, 30, 120, None]
    (declared,) = (item for item in canon.templates if item.id == "incident-notification")
    assert "Updates will be provided {cadence}." in declared.messages["declared"]
    assert declared.messages["declared"].startswith("🚨 **INCIDENT NOTIFICATION**")
    sergas = load_runbook("sergas").severity(2)
    assert sergas is not None
    assert (sergas.update_due, sergas.update_overdue) == (15, 30)


def test_contacts_are_reserved_for_their_level_and_none_is_called_verified() -> None:
    for name, role in (("sergas", "CEO"), ("startup-studio", "CTO"), ("aragora", "VP Engineering")):
        reserved = {item.role: item.severities for item in load_runbook(name).contacts if item.severities}
        assert reserved == {role: (1,)}
    assert not any(contact.verified for contact in load_runbook("startup-studio").contacts)
    assert [contact.role for contact in load_runbook("seekapa").contacts if contact.kind == "vendor"] == [
        "Azure Support",
        "Datadog Support",
        "PagerDuty Support",
    ]


def test_the_severity_tree_asks_for_the_worst_first() -> None:
    questions = load_runbook("agentic-canon").triage
    assert [(item.id, item.yes, item.no) for item in questions] == [
        ("data-loss", 1, "security-breach"),
        ("security-breach", 1, "completely-down"),
        ("completely-down", 1, "multiple-users"),
        ("multiple-users", "critical", 4),
        ("critical", 2, 3),
    ]


# ---- what they add to a configuration ----


def test_a_runbook_fills_what_the_configuration_leaves_out(own: Path) -> None:
    text = f"""
runbook = "{own.name}"
[[kubernetes]]
context = "prod"
[[redis]]
url = "redis://127.0.0.1:6379/0"
[prometheus]
url = "http://127.0.0.1:9090"
[[prometheus.services]]
name = "checkout"
[[prometheus.services]]
name = "search"
"""
    config = parse(text, str(own.with_name("warroom.toml")))
    assert config.runbook == str(own)
    assert config.kubernetes[0].namespaces == ("shop",)
    assert config.redis[0].queues == ("jobs",)
    assert [(check.name, check.expect) for check in config.http] == [("front", (200, 204))]
    assert config.prometheus is not None
    checkout, search = config.prometheus.services
    assert (checkout.threshold, checkout.p95_threshold, checkout.workload) == (
        0.01,
        0.5,
        "deployment/checkout",
    )
    assert (search.threshold, search.p95_threshold, search.workload) == (0.03, None, "")


def test_what_is_configured_wins(own: Path) -> None:
    text = """
http = []
[[kubernetes]]
namespaces = []
[[kubernetes]]
namespaces = ["mine"]
[[redis]]
url = "redis://127.0.0.1:6379/0"
queues = ["mine"]
[prometheus]
url = "http://127.0.0.1:9090"
[[prometheus.services]]
name = "checkout"
threshold = 0.2
p95_threshold = 9.0
workload = "deployment/mine"
"""
    config = parse(text, "warroom.toml", {"runbook": str(own)})
    assert [cluster.namespaces for cluster in config.kubernetes] == [(), ("mine",)]
    assert config.redis[0].queues == ("mine",)
    assert config.http == ()
    assert config.prometheus is not None
    service = config.prometheus.services[0]
    assert (service.threshold, service.p95_threshold, service.workload) == (0.2, 9.0, "deployment/mine")


def test_a_namespace_of_the_command_line_wins_too(own: Path) -> None:
    config = parse("[[kubernetes]]", "warroom.toml", {"runbook": str(own), "namespace": ["flag"]})
    assert config.kubernetes[0].namespaces == ("flag",)


def test_a_runbook_adds_no_system_that_is_not_configured(own: Path) -> None:
    config = parse("", "warroom.toml", {"runbook": str(own)})
    assert (config.kubernetes, config.redis, config.prometheus) == ((), (), None)


@pytest.mark.parametrize("name", NAMES)
def test_each_bundled_one_makes_a_valid_configuration(name: str) -> None:
    config = load(flags={"runbook": name})
    assert config.runbook == name
    assert not any("example.com" in check.url or "yourapp.com" in check.url for check in config.http)


def test_the_bundled_values_arrive() -> None:
    text = "[[kubernetes]]\n[[redis]]\nurl = 'redis://127.0.0.1:6379/0'\n"
    config = parse(text, "warroom.toml", {"runbook": "aragora"})
    assert config.kubernetes[0].namespaces == ("aragora",)
    assert config.redis[0].queues == ("aragora:queue:default", "aragora:queue:stuck")
    assert config.http[0].url == "http://aragora.company.com/health"


def test_an_unknown_or_broken_runbook_refuses_the_configuration(own: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'sergas'"):
        parse("runbook = 'sergass'", "warroom.toml")
    own.write_text(OWN + "\n[nonsense]\n")
    with pytest.raises(ConfigError, match="unknown key 'nonsense'"):
        parse("", "warroom.toml", {"runbook": str(own)})
    with pytest.raises(ConfigError, match="runbook"):
        parse("runbook = 3", "warroom.toml")


def test_without_a_runbook_nothing_is_added() -> None:
    assert parse("", "warroom.toml") == Config()
