"""Configuration: what is refused, and with which words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.config import Config, ConfigError, load, parse
from console.model.actions import ACTIONS

GOOD = """
[[kubernetes]]
name = "prod"
context = "prod-admin"
namespaces = ["shop", "payments"]

[prometheus]
url = "http://127.0.0.1:9090/prometheus"
headers = { Authorization = "Bearer abc" }

[[prometheus.services]]
name = "checkout"
threshold = 0.02

[postgres]
dsn = "postgresql://app:hunter2@127.0.0.1/app"

[[redis]]
url = "redis://127.0.0.1:6379/0"
queues = ["jobs"]

[[http]]
name = "front"
url = "http://127.0.0.1/health"

[screen]
keys = { "k8s.rollback" = "ctrl+b" }
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "WARROOM_POSTGRES_DSN", "WARROOM_STATE_DIR", "WARROOM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_a_full_file_is_understood() -> None:
    config = parse(GOOD, "warroom.toml")
    assert config.kubernetes[0].namespaces == ("shop", "payments")
    assert config.prometheus is not None
    assert config.prometheus.services[0].threshold == 0.02
    assert config.postgres[0].dsn.reveal().startswith("postgresql://app:")
    assert "hunter2" not in repr(config)
    assert "abc" not in repr(config)


def test_nothing_configured_is_no_error() -> None:
    assert load() == Config()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[[kubernetes]]\ncontxt = 'x'", 2, ["unknown key 'kubernetes.0.contxt'", "did you mean 'context'"]),
        ("[kubernetes]\nnamespaces = 'shop'", 2, ["namespaces"]),
        ("[[kubernetes]]\nname = 'a'\n[[kubernetes]]\nname = 3", 4, ["kubernetes.1.name"]),
        ("[prometheus]\nurl = 1", 2, ["prometheus.url"]),
        ("[prometheus]\nwindow = 60", 1, ["'prometheus.url' is missing"]),
        (
            "[prometheus]\nurl = 'http://x'\nwindow = 1",
            3,
            ["prometheus.window", "has to be greater than or equal to 4"],
        ),
        ("[prometheus]\nurl='http://x'\n[[prometheus.services]]\nname='a'\nthreshhold=1", 5, ["'threshold'"]),
        ("[alertmanager]\nurl = 'http://x'\ninterval = 0", 3, ["alertmanager.interval"]),
        ("[[postgres]]\ndns = 'x'", 2, ["did you mean 'dsn'"]),
        ("[[postgres]]\ndsn = 'x'\npool_size = 0", 3, ["pool_size"]),
        ("[[redis]]\nurl = 'redis://x'\nqueues = 'jobs'", 3, ["queues"]),
        ("[[http]]\nname='a'\nurl='http://x'\nmethod='POST'", 4, ["method", "GET"]),
        ("[[http]]\nname='a'\nurl='http://x'\nbody='('", 4, ["body", "not a regular expression"]),
        ("[screen]\nkeys = { 'k8s.rolback' = 'r' }", 2, ["did you mean 'k8s.rollback'"]),
        ("[screen]\nkeys = { 'ui.zoom' = 'w', 'ui.help' = 'w' }", 2, ["'w' is given to both"]),
        ("[screen]\nkeys = { 'ui.zoom' = '' }", 2, ["no key"]),
        ("[screen]\nkeys = { 'ui.zoom' = 'r' }", 2, ["'r' is given to both", "'k8s.restart'"]),
        ("[screen]\nkeys = { 'ui.zoom' = 'banana' }", 2, ["'banana', which is no key"]),
        ("[screen]\nkeys = { 'ui.zoom' = 'alt+z' }", 2, ["'alt+z', which is no key", "send as Escape"]),
        (
            "[screen]\nkeys = { 'ui.zoom' = 'super', 'ui.zom' = 'w', 'ui.help' = 'j' }",
            2,
            [
                "'super', which is no key",
                "unknown action 'ui.zom'",
                "'j' is given to both 'ui.help' and 'ui.jump'",
            ],
        ),
        ("[prometheus]\nurl = 'prometheus:9090'", 2, ["prometheus.url", "is not a URL", "http://"]),
        ("[alertmanager]\nurl = 'ftp://h'", 2, ["alertmanager.url", "is not a URL"]),
        ("[[http]]\nname='a'\nurl='http://h:99999'", 3, ["http.0.url", "is not a URL"]),
        ("[[redis]]\nurl = 'http://u:hunter2@h'", 2, ["redis.0.url", "write e.g. 'redis://"]),
        ("[redis]\nurl = 'redis://u:hunter2@h:0'", 2, ["redis.0.url", "has a port that is not a number"]),
        ("[redis]\nurl = 'redis://u:hunter2@h/shop'", 2, ["has a database that is not a number"]),
        ("[redis]\nurl = 'unix://u:hunter2@'", 2, ["has no path of a socket"]),
        ("[alertmanager]\nurl = 'http://h'\nheaders = { 'X: hunter2' = '' }", 3, ["none of an HTTP header"]),
        ('[[http]]\nname="a"\nurl="http://h"\nheaders = { X = "hunter2\\n" }', 4, ["has a line break"]),
        ("[[postgres]]\ndsn = 'mysql://u:hunter2@h'", 2, ["postgres.0.dsn", "write e.g. 'postgresql://"]),
        (
            "[[postgres]]\ndsn = ''\n[[postgres]]\nname = 'b'\ndsn = 'hst=h'",
            5,
            ["postgres.1.dsn", "mean 'host'"],
        ),
        ("[postgres]\ndsn = 'password=hunter2 x'", 2, ["'postgres.0.dsn': has no '=' after its 2nd keyword"]),
        ("[postgres]\ndsn = 'postgresql://u:hunter2@h:x/d'", 2, ["has a port that is not a number"]),
        ("[[postgres]]\ndsn = 5", 2, ["'postgres.0.dsn': has to be a text in quotes"]),
        ("[[kubernetes]]\nnamespaces = 'shop'", 2, ["has to be a list, as in"]),
        ("[[kubernetes]]\nin_cluster = 'maybe'", 2, ["has to be true or false"]),
        ("[[kubernetes]]\nburst = 'many'", 2, ["has to be a whole number"]),
        ("state_dir = 3", 1, ["has to be a path in quotes"]),
        ("[prometheus]\nurl = 'http://x'\nheaders = 'x'", 3, ["has to be a table"]),
        ("promtheus = 1", 1, ["did you mean 'prometheus'"]),
    ],
)
def test_each_mistake_is_named_with_its_line(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "warroom.toml")
    there = [text for text in str(caught.value).splitlines() if text.startswith(f"warroom.toml:{line}: ")]
    assert any(all(word in text for word in words) for text in there), str(caught.value)
    assert "hunter2" not in str(caught.value) and "class" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("burst = [", "is not valid TOML: Invalid value (at end of document)"),
        (f"burst = {'9' * 5000}", "is not valid TOML: a number has too many digits; shorten it"),
        (f"{'.'.join('a' * 3000)} = 1", "cannot be read: too many brackets or tables stand in one another"),
        (f"burst = {'[' * 5000}", "cannot be read: too many brackets or tables stand in one another"),
    ],
)
def test_what_is_no_toml_is_refused_with_the_file(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "warroom.toml")
    assert str(caught.value) == f"warroom.toml: {words}"


def test_a_key_is_named_by_what_is_printed_on_it() -> None:
    keys = parse(
        "[screen]\nkeys = { 'ui.zoom' = '+', 'ui.filter' = '?, f3', 'ui.help' = 'H' }", "f"
    ).screen.keys
    assert keys == {"ui.zoom": "plus", "ui.filter": "question_mark,f3", "ui.help": "H"}


def test_every_mistake_of_a_file_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[[kubernetes]]\nfoo = 1\n[prometheus]\nbar = 2\n[[redis]]\nbaz = 3", "f")
    assert len(str(caught.value).splitlines()) == 5


def test_broken_toml_names_the_line() -> None:
    with pytest.raises(ConfigError, match=r"f: is not valid TOML.*line 2"):
        parse("a = 1\nb = = 2", "f")


def test_a_wrong_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[[postgres]]\ndsn = ['postgresql://a:hunter2@h/d']", "f")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[postgres]\ndsn = 'host=db password=hunter2'\npool_size = 'x'",
        "[postgres]\npassword = 'hunter2'",
        "[postgres]\ndsn = { password = 'hunter2' }",
        "[prometheus]\nurl = 'http://x'\nheaders = { Authorization = ['hunter2'] }",
        "[prometheus]\nurl = 'http://x'\nheaders = 'hunter2'",
        "[prometheus]\nurl = 'http://u:hunter2/x@h:9090'",
        "[alertmanager]\nurl = 'ftp://u:hunter2@h'",
        "[[http]]\nname = 'a'\nurl = 'http://u:hunter2\u2100@h'",
        "[redis]\nurl = 'cache:6379/hunter2'",
        "token = 'hunter2'\nredis = 'hunter2'",
        "[redis]\nurl = 'redis://u:hunter2@host:hunter2/0'",
        "[redis]\nurl = 'redis://[hunter2'",
        "[redis]\nurl = 'redis://u:p@h/hunter2'",
        "[redis]\n'redis://u:hunter2@h' = 1",
        "[postgres]\n'postgres://u:hunter2@h/db' = ''",
        "[[http]]\nname = 'a'\nurl = 'http://h'\nheaders = { 'password=hunter2' = 1 }",
        "[[postgres]]\nname = 'redis://:hunter2@h'\ndsn = ''\n" * 2,
        "[prometheus]\nurl = 'http://x'\nheaders = { 'Authorization: Bearer hunter2' = 1 }",
        "[prometheus]\nurl = 'http://x'\nheaders = { 'Authorization: Bearer hunter2' = 'x' }",
        "[alertmanager]\nurl = 'http://x'\nheaders = { Authorization = \"Bearer\\nhunter2\" }",
    ],
)
def test_no_refusal_repeats_what_may_be_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_text_is_no_number_and_a_number_no_truth() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[kubernetes]\nqps = '5'\nburst = 5.0\nin_cluster = 1", "f")
    assert str(caught.value).splitlines() == [
        "f:4: 'kubernetes.0.in_cluster': has to be true or false",
        "f:2: 'kubernetes.0.qps': has to be a number",
        "f:3: 'kubernetes.0.burst': has to be a whole number",
    ]
    assert parse("[kubernetes]\nqps = 5", "f").kubernetes[0].qps == 5.0


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_mark_of_the_byte_order_that_some_editors_write_is_no_part_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "warroom.toml"
    file.write_text("[redis]\nurl = 'redis://:p@h:1/2'\n", encoding="utf-8-sig")
    assert load(file).redis[0].url.reveal() == "redis://:p@h:1/2"


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p%2F@h:1/", "redis://h/3/?protocol=2", "unix:///s", "unix://:p@/s?db=1"]
)
def test_an_address_of_a_redis_is_taken_as_it_stands(url: str) -> None:
    assert parse(f"[redis]\nurl = '{url}'", "f").redis[0].url.reveal() == url


def test_flag_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w.toml"
    file.write_text(GOOD)

    def dsn(config: Config) -> str:
        return config.postgres[0].dsn.reveal()

    assert "app" in dsn(load(file))
    monkeypatch.setenv("WARROOM_POSTGRES_DSN", "host=env")
    assert dsn(load(file)) == "host=env"
    assert dsn(load(file, {"postgres_dsn": "host=flag"})) == "host=flag"
    config = load(file, {"namespace": ["other"], "prometheus_url": "http://flag"})
    assert config.kubernetes[0].namespaces == ("other",)
    assert config.kubernetes[0].context == "prod-admin"
    assert config.prometheus is not None
    assert config.prometheus.url == "http://flag"
    assert config.prometheus.services[0].name == "checkout"


def test_what_a_flag_or_the_environment_says_wrong_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "w.toml"
    file.write_text(GOOD)
    monkeypatch.setenv("WARROOM_POSTGRES_DSN", "postgresql://app:hunter2/x@db")
    with pytest.raises(ConfigError) as caught:
        load(file, {"redis_url": "cache:6379"})
    said = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        "--postgres-dsn or WARROOM_POSTGRES_DSN",
        "--redis-url",
    ]
    assert "has a port that is not a number" in said[0]
    assert "hunter2" not in said[0]


def test_reading_a_database_s_address_loads_no_client() -> None:
    code = (
        "import sys; from console.config import ConfigError, parse\n"
        "parse(\"[postgres]\\ndsn = 'postgresql://app@db:5432/shop?sslmode=require'\", 'f')\n"
        "try: parse(\"[postgres]\\ndsn = 'hst=db'\", 'f')\n"
        "except ConfigError as error: print(error)\n"
        "assert not {'psycopg', 'psycopg_binary'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "f:2: 'postgres.0.dsn': has an unknown keyword, the 1st; did you mean 'host'?\n"


TWO = """
[[kubernetes]]
name = "eu"
context = "prod-eu"
namespaces = ["shop"]
qps = 20
[[kubernetes]]
name = "us"
context = "prod-us"
"""


def test_a_context_on_the_command_line_chooses_among_several_clusters() -> None:
    def told(**flags: Any) -> list[tuple[str, str | None, tuple[str, ...]]]:
        clusters = parse(TWO, "f", flags).kubernetes
        return [(one.name, one.context, one.namespaces) for one in clusters]

    eu, us = ("eu", "prod-eu", ("shop",)), ("us", "prod-us", ())
    assert told() == [eu, us]
    assert told(context="us") == told(context="prod-us") == [us]
    assert told(context="eu") == [eu]
    assert told(context="staging") == [("", "staging", ())]
    assert told(namespace=["bank"]) == [("eu", "prod-eu", ("bank",)), ("us", "prod-us", ("bank",))]
    assert told(kubeconfig="/x") == [("", None, ())]
    one = parse(TWO, "f", {"kubeconfig": "/x", "context": "eu"}).kubernetes
    assert [(str(c.kubeconfig), c.name, c.qps) for c in one] == [("/x", "eu", 20)]
    single = parse(TWO.partition('[[kubernetes]]\nname = "us"')[0], "f", {"context": "other"}).kubernetes
    assert [(c.name, c.context, c.namespaces) for c in single] == [("", "other", ("shop",))]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[[kubernetes]]\nname = 'a'\n[[kubernetes]]\ncontext = 'a'", "clusters are called 'a'"),
        ("[[postgres]]\ndsn = ''\n[[postgres]]\ndsn = 'host=y'", "servers are called 'main'"),
        (
            "[[redis]]\nname = 'c'\nurl = 'redis://x'\n[[redis]]\nname = 'c'\nurl = 'redis://y'",
            "servers are called 'c'",
        ),
        (
            "[[http]]\nname = 'a'\nurl = 'http://x'\n[[http]]\nname = 'a'\nurl = 'http://y'",
            "checks are called 'a'",
        ),
        (
            "[prometheus]\nurl = 'http://x'\n[[prometheus.services]]\nname = 'a'\n"
            "[[prometheus.services]]\nname = 'a'",
            "services are called 'a'",
        ),
    ],
)
def test_two_of_the_same_name_could_not_be_told_apart(text: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"two {name}; give each a 'name' of its own"):
        parse(text, "f")


def test_the_current_kubeconfig_is_used_when_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{kubeconfig}")
    assert len(load().kubernetes) == 1


def test_no_two_actions_share_a_key_on_one_pane() -> None:
    taken: dict[tuple[str, str], str] = {}
    panes = {action.pane for action in ACTIONS if action.pane}
    for action in ACTIONS:
        for key in filter(None, action.key.split(",")):
            for pane in [action.pane] if action.pane else [*panes, ""]:
                other = taken.setdefault((pane, key), action.name)
                assert other == action.name, f"{key!r} on {pane!r}: {other} and {action.name}"


def test_the_state_folder_of_the_environment_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "warroom.toml"
    file.write_text('state_dir = "/of/the/file"\n')
    assert load(file).state_dir == Path("/of/the/file")
    monkeypatch.setenv("WARROOM_STATE_DIR", "/of/the/environment")
    assert load(file).state_dir == Path("/of/the/environment")
    assert load(file, {"state_dir": Path("/of/the/flag")}).state_dir == Path("/of/the/flag")
