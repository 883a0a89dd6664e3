"""Lines of keys in TOML, and the words about mistakes in it."""

from __future__ import annotations

from console.model.explain import line_of, nearest, positions

TEXT = '''\
name = "a"
[table]
"quoted key" = 1
[[phases]]
id = "one"
[phases.checklist]
first = "x"
[[phases]]
id = """
id = "not a key"
[not-a-table]
"""
items = [
  "a = 1", # b = ]
  \'\'\'
c = 2 ]
\'\'\',
]
[[phases.steps]]
text = "s0"
[[phases.steps]]
text = { run = "x" }
last.dotted = 1
'''


def test_lines_of_tables_and_keys() -> None:
    found = positions(TEXT)
    assert line_of(("name",), found) == 1
    assert line_of(("table", "quoted key"), found) == 3
    assert line_of(("phases", 0, "checklist", "first"), found) == 7
    assert line_of(("phases", 1, "id"), found) == 9
    assert line_of(("phases", 1, "items", 3), found) == 13
    assert line_of(("phases", 1, "steps", 0, "text"), found) == 20
    assert line_of(("phases", 1, "steps", 1, "text", "run"), found) == 22
    assert line_of(("phases", 1, "steps", 1, "last", "dotted"), found) == 23
    assert line_of(("phases", 1, "missing"), found) == 8
    assert line_of((), found) is None
    assert "not-a-table" not in str(found)
    assert ("phases", "steps", "c") not in found


def test_the_nearest_name_or_all_of_them() -> None:
    assert nearest("contxt", ["context", "name"]) == "; did you mean 'context'?"
    assert nearest("zzz", ["b", "a"]) == "; known are a, b"
