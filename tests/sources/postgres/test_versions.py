"""The branches for versions that no test server has, as their text."""

import pytest

from console.sources.postgres import queries


def test_slots_before_13_have_no_wal_status() -> None:
    assert "wal_status" in queries.SLOTS
    assert "wal_status" not in queries.SLOTS_12
    assert queries.SLOTS_12.count("pg_replication_slots") == 1


@pytest.mark.parametrize(
    ("extension", "column"),
    [
        ("1.6", '"total_time"'),
        ("1.7", '"total_time"'),
        ("1.8", '"total_exec_time"'),
        ("1.10", '"total_exec_time"'),
    ],
)
def test_the_time_column_follows_the_version_of_the_extension(extension: str, column: str) -> None:
    text = queries.statement_counters('od"d', extension).as_string(None)
    assert f"sum({column})" in text
    assert '"od""d"."pg_stat_statements"(false)' in text


def test_every_statement_only_reads_and_is_marked() -> None:
    fixed = [
        it
        for name, it in vars(queries).items()
        if name.isupper() and isinstance(it, str) and it != queries.MARK
    ]
    composed = [queries.statement_counters("s", "1.10"), queries.statement_texts("s")]
    texts = [*fixed, *(it.as_string(None) for it in composed)]
    assert len(texts) >= 10
    for text in texts:
        assert text.strip().startswith(f"SELECT {queries.MARK}")
        assert ";" not in text
