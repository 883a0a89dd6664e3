"""Kubernetes quantities."""

import pytest

from console.model.quantity import cores, format_cores, format_size, parse_quantity, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("2", 2.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("100n", 1e-7),
        ("3u", 3e-6),
        ("1k", 1000.0),
        ("2M", 2e6),
        ("1G", 1e9),
        ("1Ki", 1024.0),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", 1000.0),
        ("12E2", 1200.0),
        ("1E", 1e18),
        ("2Ei", 2.0**61),
        ("5e-3", 0.005),
        ("-1", -1.0),
        ("0", 0.0),
    ],
)
def test_quantities(text: str, value: float) -> None:
    assert parse_quantity(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["", "m", "1mi", "1 Gi", "0x10", "1KiB", "１", "1e", "nan", "1_000"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(text)
    assert cores(text) is None
    assert size(text) is None


def test_formats_are_those_of_kubectl() -> None:
    assert [format_cores(value) for value in (None, 2.0, 0.25, 1.5)] == ["-", "2", "250m", "1500m"]
    sizes = (None, 0, 1000, 2**10, 128 * 2**20, 2**30, 3 * 2**29, 123456789)
    assert [format_size(value) for value in sizes] == [
        "-",
        "0",
        "1000",
        "1Ki",
        "128Mi",
        "1Gi",
        "1536Mi",
        "118Mi",
    ]
