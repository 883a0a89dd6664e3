"""Values of a runbook that have another shape: refused in words that a person understands."""

from __future__ import annotations

import pytest

from console.incident.runbook import UnreadableError, understand
from tests.incident.test_runbook import OWN, complaints


@pytest.mark.parametrize("value", ["0", "5", "1.5", "true", "'Not a name'"])
def test_a_question_leads_to_a_level_or_another_question(value: str) -> None:
    question = f"[[triage]]\nid = 'a'\nask = 'A?'\nyes = {value}\nno = 4\n"
    assert complaints(f"{OWN}\n{question}") == (
        "'triage.0.yes': has to be a level from 1 to 4, or the id of a later question"
    )


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "[[phases]]\nid = 'a'\ntitle = 'A'\nminutes = [1]",
            "'phases.0.minutes': has to be a list of 2 values",
        ),
        (
            "[[phases]]\nid = 'a'\ntitle = 'A'\nchecklist = { 'A b' = 'x' }",
            "'phases.0.checklist.A b.[key]': has to be of small letters, digits and hyphens",
        ),
        ("[[checks]]\nname = 'a'\nurl = 'ftp://h'", "'checks.2.url': has to be a web address"),
        (
            "[[workloads]]\nrole = 'app'\nname = 'shop'",
            "'workloads.0.name': has to be as in \"deployment/shop\"",
        ),
        ("[[contacts]]\nrole = ''", "'contacts.0.role': must not be empty"),
        ("[[contacts]]\nrole = 'a'\nverified = 1", "'contacts.0.verified': has to be true or false"),
    ],
)
def test_a_value_of_another_shape_is_told_without_a_pattern(extra: str, words: str) -> None:
    assert words in complaints(f"{OWN}\n{extra}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "is not valid TOML: Invalid value (at end of document)"),
        (f"name = {'9' * 5000}", "is not valid TOML: a number has too many digits; shorten it"),
        (f"{'.'.join('a' * 3000)} = 1", "cannot be read: too many brackets or tables stand in one another"),
        (f"name = {'[' * 5000}", "cannot be read: too many brackets or tables stand in one another"),
    ],
)
def test_what_is_no_toml_is_refused_with_the_file(text: str, words: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        understand(text, "own.toml")
    assert str(caught.value) == f"own.toml: {words}"
