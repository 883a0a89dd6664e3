"""``warroom act pg.*`` where several database servers are configured: one is named, none is guessed."""

import json
from pathlib import Path

import pytest

from console.cli import build_parser
from console.engine import act_command
from console.engine.act_command import find_action, take_server
from console.engine.act_target import UsageError, find_server
from tests.services import PostgresServer

BOTH = ("postgres:billing", "postgres:main")


def test_a_server_is_never_guessed() -> None:
    assert find_server(BOTH[1:], "pid", "7", "") == "postgres:main"
    assert find_server(BOTH, "pid", "7", "main") == "postgres:main"
    assert find_server(BOTH, "db", "main", "") == "postgres:main"
    assert find_server(BOTH, "db", "main", "billing") == "postgres:billing"
    for servers, kind, wanted, words in (
        (BOTH, "pid", "", "billing, main are configured; add server=billing or server=main$"),
        (BOTH, "db", "", "server=main, or a whole server as db/NAME"),
        (BOTH, "pid", "mian", "no database server is called 'mian'; there are billing, main"),
        (BOTH[1:], "pid", "billing", "no database server is called 'billing'; there are main"),
    ):
        with pytest.raises(UsageError, match=words):
            find_server(servers, kind, "7", wanted)


def test_the_name_of_the_server_is_no_parameter_of_the_action() -> None:
    matching = find_action("pg.terminate-matching")
    assert take_server(matching, ["limit=3", "server=main"]) == ("main", ["limit=3"])
    assert take_server(matching, ["server="]) == ("", ["server="])
    assert take_server(find_action("k8s.scale"), ["server=main"]) == ("", ["server=main"])
    with pytest.raises(UsageError, match="'server' is given twice"):
        take_server(matching, ["server=main", "server=billing"])


def test_a_session_is_looked_for_on_the_server_that_was_named(
    tmp_path: Path,
    postgres_16: PostgresServer,
    postgres_18: PostgresServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "warroom.toml"
    config.write_text(
        f'[[postgres]]\nname = "billing"\ndsn = "{postgres_16.dsn()}"\n'
        f'[[postgres]]\nname = "main"\ndsn = "{postgres_18.dsn()}"\n'
    )

    def plan(*words: str) -> tuple[int, str, str]:
        more = ("--plan", "--json", "--config", str(config), "--state-dir", str(tmp_path / "state"))
        code = act_command.run(build_parser().parse_args(["act", *words, *more]))
        said = capsys.readouterr()
        return code, said.out, said.err

    with postgres_18.connect(application="nightly") as session:
        pid = f"pid/{session.info.backend_pid}"
        for words in (("pg.terminate", pid), ("pg.terminate-matching", "db/postgres")):
            code, _, err = plan(*words)
            assert code == 2, err
            assert "server=billing or server=main" in err

        code, out, err = plan("pg.terminate", pid, "server=main")
        assert code == 0, err
        assert json.loads(out)["source"] == "postgres:main"
        assert "nightly" in json.loads(out)["title"]

        code, out, _ = plan("pg.terminate", pid, "server=billing")
        assert "nightly" not in json.loads(out)["title"]

        idle = ("state=idle", "older-than=0s", "user=postgres", "application=nightly")
        for target in (["db/main"], ["db/postgres", "server=main"]):
            code, out, err = plan("pg.terminate-matching", *target, *idle)
            assert code == 0, err
            assert json.loads(out)["source"] == "postgres:main"
            assert pid in out
