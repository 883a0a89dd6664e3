"""What the parts of a runbook say of each other: each rule with its bad and its good form."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.incident.lint import DATA_RULES, lint
from console.incident.runbook import read, understand
from console.runbooks import bundled

SEVERITY = """
[[severities]]
level = 1
label = "SEV1"
title = "SEV1"
definition = "Outage"
response = "15 min"
respond_within = 15
"""
HEAD = 'name = "own"\ntitle = "Own"\ndescription = "Ours"\n'

DATA: dict[str, tuple[str, str]] = {
    "contact-placeholder": (
        '[[contacts]]\nrole = "CTO"\nreach = "[Phone/Slack]"\nverified = true',
        '[[contacts]]\nrole = "CTO"\nreach = "[Phone/Slack]"',
    ),
    "contact-forgotten": (
        '[[contacts]]\nrole = "CEO"\nreach = "ceo@corp.io"\nseverities = [1]',
        '[[contacts]]\nrole = "CEO"\nreach = "ceo@corp.io"',
    ),
    "contact-not-allowed": (
        '[[severities]]\nlevel = 2\nlabel = "2"\ntitle = "2"\ndefinition = "d"\nresponse = "r"\n'
        'respond_within = 30\nescalate_to = ["CEO"]\n[[contacts]]\nrole = "CEO"\nseverities = [3]',
        '[[severities]]\nlevel = 2\nlabel = "2"\ntitle = "2"\ndefinition = "d"\nresponse = "r"\n'
        'respond_within = 30\nescalate_to = ["CEO"]\n[[contacts]]\nrole = "CEO"\nseverities = [2]',
    ),
    "check-placeholder": (
        '[[checks]]\nname = "a"\nurl = "https://api.example.com/health"',
        '[[checks]]\nname = "a"\nurl = "https://api.example.com/health"\nplaceholder = true',
    ),
    "cadence-in-message": (
        '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\n'
        'messages.update = "Updates every 15 minutes."',
        '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\nfields.cadence = "every 30 minutes"\n'
        'messages.update = "Updates {cadence}."',
    ),
    "duration-as-difference": (
        '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\nfields = { started = "", ended = "" }\n'
        'messages.resolved = "Duration: {started} - {ended}"',
        '[[templates]]\nid = "t"\ntitle = "T"\nchannel = "chat"\nfields = { started = "", ended = "" }\n'
        'messages.resolved = "From {started} to {ended}"',
    ),
    "worst-unasked": (
        '[[triage]]\nid = "down"\nask = "Completely down?"\nyes = 1\nno = 4',
        '[[triage]]\nid = "data"\nask = "Is data lost?"\nyes = 1\nno = "breach"\n'
        '[[triage]]\nid = "breach"\nask = "A security breach?"\nyes = 1\nno = 4',
    ),
    "overlapping-bands": (
        'recovery = { hold = 15, words = "w", error_ratio = 0.02 }\n[[thresholds]]\nerror_ratio = 0.01',
        'recovery = { hold = 15, words = "w", error_ratio = 0.001 }\n[[thresholds]]\nerror_ratio = 0.01',
    ),
    "database-restart": (
        '[[workloads]]\nname = "deployment/postgres"\nrole = "db"\n[[recipes]]\nid = "r"\ntitle = "R"\n'
        '[[recipes.steps]]\ntext = "x"\naction = "k8s.restart"\ntarget = "deployment/postgres"',
        '[[workloads]]\nname = "deployment/postgres"\nrole = "db"\n[[recipes]]\nid = "r"\ntitle = "R"\n'
        '[[recipes.steps]]\ntext = "x"\naction = "k8s.restart"\ntarget = "deployment/postgres"\n'
        "last_resort = true",
    ),
    "restart-before-rollback": (
        '[[scenarios]]\nid = "s"\ntitle = "S"\nfamily = "outage"\n'
        '[[scenarios.mitigation]]\ntext = "x"\naction = "k8s.restart"\ntarget = "deployment/a"\n'
        '[[scenarios.mitigation]]\ntext = "x"\naction = "k8s.rollback"\ntarget = "deployment/a"',
        '[[scenarios]]\nid = "s"\ntitle = "S"\nfamily = "outage"\n'
        '[[scenarios.mitigation]]\ntext = "x"\naction = "k8s.rollback"\ntarget = "deployment/a"\n'
        '[[scenarios.mitigation]]\ntext = "x"\naction = "k8s.restart"\ntarget = "deployment/a"',
    ),
    "scale-to-one": (
        '[[recipes]]\nid = "r"\ntitle = "R"\n[[recipes.steps]]\ntext = "x"\naction = "k8s.scale"\n'
        'target = "deployment/a"\nparams.replicas = "1"',
        '[[recipes]]\nid = "r"\ntitle = "R"\n[[recipes.steps]]\ntext = "x"\naction = "k8s.scale"\n'
        'target = "deployment/a"\nparams.replicas = "5"',
    ),
    "clocks-in-disorder": (
        SEVERITY.replace("level = 1", "level = 2").replace("within = 15", "within = 5"),
        SEVERITY.replace("level = 1", "level = 2").replace("within = 15", "within = 30"),
    ),
}


@pytest.mark.parametrize("name", sorted(rule.name for rule in DATA_RULES))
def test_a_data_rule_catches_the_bad_and_passes_the_good_form(name: str) -> None:
    bad, good = DATA[name]
    plain = {
        text: [(found.rule, found.line) for found in lint(understand(whole(text), "own.toml"))]
        for text in (bad, good)
    }
    assert [rule for rule, _ in plain[bad]] in ([name], [name, name])
    assert all(line > 3 for _, line in plain[bad])
    assert plain[good] == []


def whole(text: str) -> str:
    """A runbook with the least that it needs; keys of the top table come before the first section."""
    return HEAD + (text + SEVERITY if text.startswith("recovery") else SEVERITY + text)


@pytest.mark.parametrize(
    "broken", ["ðŸš¨ INCIDENT", "âœ… RESOLVED", "üö® SEV2", "‚è±Ô∏è UPDATE", "‚úÖ", "‚îú‚îÄ YES"]
)
def test_broken_characters_are_found_where_they_stand(broken: str) -> None:
    text = (
        HEAD
        + SEVERITY
        + f'examples = ["fine ✅ 🚨 📊 ⏱️ ☐ – → é"]\n[[links]]\nname = "{broken}"\nurl = "x"\nkind = "logs"'
    )
    assert [(item.rule, item.line) for item in lint(understand(text, "own.toml"))] == [("mojibake", 14)]


def test_a_command_in_a_file_of_another_shape_is_still_looked_at() -> None:
    text = HEAD + '[[commands]]\nname = "x"\nrun = "redis-cli FLUSHALL"\ncoment = "y"\n'
    found = [(item.line, item.rule) for item in lint(understand(text, "own.toml"))]
    assert found == [(0, "schema"), (6, "flush"), (6, "redis-of-nobody"), (7, "schema")]


@pytest.mark.parametrize("name", sorted(bundled()))
def test_the_bundled_runbooks_pass(name: str) -> None:
    assert lint(read(str(bundled()[name]), Path())) == ()
