"""Connection strings, held against libpq itself: what it takes is taken, what it refuses is refused."""

from __future__ import annotations

import random

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from console.model.conninfo import KEYWORDS, SSL_MODES, check, parameters

GOOD = [
    "",
    "  ",
    "host=db",
    "host = db port\n=\t5432  dbname=shop",
    "host=db password='a b'user=x",
    r"password='it\'s' user=a\ b options='-c x=\\y'",
    "host='' dbname=''",
    "host= port=5432",
    "dbname=p'q",
    "user=a\\",
    "requiressl=1",
    "requiressl=0",
    "host=a host=b",
    "host=ä user='ü ß'",
    "service=shop",
    "postgresql://",
    "postgres://@/",
    "postgresql:///shop?host=/var/run/postgresql",
    "postgresql://%2Fvar%2Frun/shop",
    "postgresql://app:p%40ss%2Fw@db:5432/shop?sslmode=verify-full&connect_timeout=3",
    "postgresql://app:a?b:c#d@db/shop",
    "postgresql://app@:5432",
    "postgresql://:secret@db",
    "postgresql://a:1,b:2,c/shop?target_session_attrs=read-write",
    "postgresql://[::1]:5432,[fe80::1%25eth0]/shop",
    "postgresql://db?ssl=true",
    "postgresql://db?requiressl=1&",
    "postgresql://db/a/b?user=%c3%a9",
    "postgresql:// db /shop",
    "postgresql://db\t",
    "postgresql://u@h@x/shop",
]
BAD = [
    "db",
    "x = 1",
    "host",
    "host db",
    "=db",
    "hst=db",
    "HOST=db",
    "host=db password=my secret user=x",
    "host=db password='open",
    "password='open\\'",
    "'host'=db",
    "mysql://db/shop",
    "http://db:5432",
    " postgresql://db",
    "POSTGRESQL://db",
    "postgresql+asyncpg://app:hunter2@db/shop",
    "postgresql:/db",
    "jdbc:postgresql://db/shop",
    "postgresql://db?hst=x",
    "postgresql://db?sslmode",
    "postgresql://db?a=b=c",
    "postgresql://db?sslmode=require&&port=1",
    "postgresql://db?ssl=false",
    "postgresql://[::1",
    "postgresql://[]/shop",
    "postgresql://[::1]x/shop",
    "postgresql://u:p%zz@db",
    "postgresql://u:p%@db",
    "postgresql://db/%00",
    "postgresql://db/%ff",
    "postgresql://u:a b@db",
]
BREAKS_ONLY_AT_CONNECT = [
    "port=abc",
    "port=0",
    "port=65536",
    "port=5432x",
    "port=-1",
    "port=1.5",
    "port=99999999999999999999",
    "port=1,x",
    "port=1,2",
    "host=127.0.0.1,127.0.0.1 port=1,2,3",
    "sslmode=requires",
    "sslmode=Require",
]
TAKEN_AT_CONNECT = [
    "",
    "port=1",
    "port=65535",
    "port=' +0001 '",
    "host=127.0.0.1,127.0.0.1 port=1",
    "host=127.0.0.1,127.0.0.1 port=1,",
    *(f"sslmode={mode}" for mode in SSL_MODES),
]
_PARTS = (
    *("host", "port", "dbname", "password", "sslmode", "requiressl", "ssl", "service", "hst", "user"),
    *("=", "=", "=", "'", "\\", " ", "  ", "\n", "\t", "\v", "\x1c", "\u00a0", '"', "a", "1", "true", "é"),
    *(
        "%20",
        "%",
        "%zz",
        "%00",
        "%c3%a9",
        "postgresql://",
        "@",
        ":",
        "/",
        "?",
        "&",
        "[",
        "]",
        "::1",
        ",",
        "#",
    ),
)
_BEGINNINGS = (
    "",
    "host=",
    "postgresql://",
    "postgres://u:p@h:1/d?",
    "postgresql://h?host=",
    "postgresql://[::1]",
)


def libpq(dsn: str) -> dict[str, object] | None:
    try:
        return dict(conninfo_to_dict(dsn))
    except (psycopg.Error, UnicodeError):
        return None


def ours(dsn: str) -> dict[str, str] | None:
    try:
        return parameters(dsn)
    except ValueError:
        return None


def connects(dsn: str) -> bool:
    """Whether libpq begins to connect, or refuses before it has sent anything."""
    connection = pq.PGconn.connect_start(f"{dsn} hostaddr='' ".encode())
    message = connection.get_error_message()
    connection.finish()
    return not any(word in message for word in ("invalid", "could not match"))


@pytest.mark.parametrize("dsn", GOOD)
def test_what_libpq_reads_is_read_alike(dsn: str) -> None:
    assert libpq(dsn) is not None
    assert parameters(dsn) == libpq(dsn)


@pytest.mark.parametrize("dsn", BAD)
def test_what_libpq_refuses_is_refused(dsn: str) -> None:
    assert libpq(dsn) is None
    with pytest.raises(ValueError, match=r"^(has|is|goes) "):
        parameters(dsn)


@pytest.mark.parametrize("seed", range(8))
def test_libpq_and_we_never_disagree(seed: int) -> None:
    rng = random.Random(seed)
    read = 0
    for _ in range(2_000):
        dsn = rng.choice(_BEGINNINGS) + "".join(rng.choice(_PARTS) for _ in range(rng.randrange(9)))
        assert ours(dsn) == libpq(dsn), dsn
        read += ours(dsn) is not None
    assert 400 < read < 1_600


def test_the_keywords_are_those_of_libpq() -> None:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    assert known <= KEYWORDS
    if pq.version() >= 180_000:
        assert known == KEYWORDS


@pytest.mark.parametrize("dsn", BREAKS_ONLY_AT_CONNECT)
def test_what_could_never_connect_is_refused(dsn: str) -> None:
    complete = dsn if "host=" in dsn else f"host=127.0.0.1 {dsn}"
    assert libpq(dsn) is not None
    assert not connects(complete)
    with pytest.raises(ValueError, match=r"port|sslmode"):
        check(complete)


@pytest.mark.parametrize("dsn", TAKEN_AT_CONNECT)
def test_what_can_connect_is_taken(dsn: str) -> None:
    complete = dsn if "host=" in dsn else f"host=127.0.0.1 {dsn}"
    assert connects(complete)
    check(complete)


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("mysql://app:hunter2@db/shop", "is no address of a PostgreSQL; write e.g. 'postgresql://"),
        ("hst=db", "has an unknown keyword, the 1st; did you mean 'host'?"),
        ("host=db pasword=hunter2", "the 2nd; did you mean 'password'?"),
        ("host=db xyz=hunter2", "the 2nd; the usual ones are host, port"),
        ("host=db password=hunter2 and more", "has no '=' after its 3rd keyword"),
        ("host=db password='hunter2", "has a quote that is not closed, after its 2nd keyword"),
        ("postgresql://db/shop?sslmod=require", "the 1st; did you mean 'sslmode'?"),
        ("postgresql://db/shop?sslmode=verify_full", "did you mean 'verify-full'?"),
        ("postgresql://app:hunter2/x@db/shop", "has a port that is not a number from 1 to 65535; write / @"),
        ("postgresql://app:hunter2%@db/shop", "has a % without two hexadecimal digits"),
        ("postgresql://app:hunter2@x@db/shop", "has a host with an @ in it"),
        ("postgresql://app:hunter2@db:x/shop", "has a port that is not a number from 1 to 65535"),
        ("postgresql://app:hunter2[@[db/shop", "has a [ without an IPv6 address"),
        ("host=a,b,c port=1,2", "names 2 ports for 3 hosts"),
        ("postgresql://db/\ud800", "is not UTF-8 text"),
        ("port=1 " * 20 + "hst=x", "the 21st; did you mean 'host'?"),
        ("port=1 " * 11 + "hst=x", "the 12th; did you mean 'host'?"),
    ],
)
def test_the_sentence_tells_what_is_wrong_and_no_part_of_the_secret(dsn: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        check(dsn)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_sentence_repeats_what_stands_in_the_string() -> None:
    """Whatever is put in any place of a string that is refused: it does not come back."""
    mark = "Zq7wXk"
    refused = 0
    for dsn in (*BAD, *BREAKS_ONLY_AT_CONNECT):
        for at in range(len(dsn) + 1):
            try:
                check(dsn[:at] + mark + dsn[at:])
            except ValueError as error:
                refused += 1
                assert mark not in str(error)
    assert refused > 300
