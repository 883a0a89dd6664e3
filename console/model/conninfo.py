"""PostgreSQL connection strings read as libpq reads them, without loading libpq.

The rules are those of the PostgreSQL 18 documentation, "Connection Strings" and "Parameter Key Words"
(https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING), and where it is silent those of
conninfo_parse() and conninfo_uri_parse_options() in src/interfaces/libpq/fe-connect.c. What libpq itself
refuses only when it connects (ports, sslmode) is refused here as well.

No sentence repeats a part of the string: behind a slip of quoting any part may be one of the password.
"""

import re
from urllib.parse import unquote_to_bytes

from console.model.explain import nearest

_KEYWORDS = """
application_name channel_binding client_encoding connect_timeout dbname fallback_application_name
gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle
keepalives_interval krbsrvname load_balance_hosts max_protocol_version min_protocol_version
oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile password port replication
require_auth requirepeer scram_client_key scram_server_key service ssl_max_protocol_version
ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode
sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""Of PostgreSQL 18. An older libpq knows fewer and says so when it connects."""
_OBSOLETE = "requiressl"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_SCHEMES = ("postgresql://", "postgres://")
_ANY_SCHEME = re.compile(r"\s*[\w.+-]*://", re.ASCII)
_USUAL = "; the usual ones are host, port, dbname, user, password and sslmode"
_EXAMPLE = "write e.g. 'postgresql://user@host:5432/database' or 'host=db port=5432 dbname=shop'"
_PERCENT = "write / @ : ? # & % and blanks in a name or password as %2F %40 %3A %3F %23 %26 %25 %20"

_NAME = re.compile(r"\s*(?P<name>[^=\s]*)\s*(?P<equals>=?)\s*", re.ASCII)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_BARE = re.compile(r"(?:[^\s\\]|\\.)*", re.ASCII | re.DOTALL)
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_USER_INFO = re.compile(r"(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@")
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<name>(?!\[)[^:/?,]*))(?::(?P<port>[^/?,]*))?")
_BAD_PERCENT = re.compile(r"%(?:(?![0-9A-Fa-f]{2})|00)")
_PORT = re.compile(r"\s*\+?0*(\d{1,5})\s*", re.ASCII)


def check(dsn: str) -> None:
    """Raise ValueError with a sentence when libpq could not connect with `dsn`, wherever it leads."""
    given = parameters(dsn)
    hosts = (given.get("hostaddr") or given.get("host") or "").split(",")
    if any("@" in host[1:] and not host.startswith("/") for host in given.get("host", "").split(",")):
        raise ValueError(f"has a host with an @ in it; {_PERCENT}")
    ports = given.get("port", "").split(",")
    for port in filter(None, ports):
        number = _PORT.fullmatch(port)
        if number is None or not 1 <= int(number[1]) <= 65535:
            hint = f"; {_PERCENT}" if dsn.startswith(_SCHEMES) else ""
            raise ValueError(f"has a port that is not a number from 1 to 65535{hint}")
    if len(ports) not in (1, len(hosts)):
        raise ValueError(
            f"names {len(ports)} ports for {len(hosts)} hosts; give one for each, or one for all"
        )
    mode = given.get("sslmode")
    if mode and mode not in SSL_MODES:
        raise ValueError(f"has an unknown sslmode{nearest(mode, SSL_MODES)}")


def parameters(dsn: str) -> dict[str, str]:
    """Return the parameters in a connection string, of either form; ValueError when libpq cannot read it."""
    try:
        dsn.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8 text") from None
    for scheme in _SCHEMES:
        if dsn.startswith(scheme):
            return _from_uri(dsn.removeprefix(scheme))
    if _ANY_SCHEME.match(dsn):
        raise ValueError(f"is no address of a PostgreSQL; {_EXAMPLE}")
    return _from_pairs(dsn)


def _from_pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = count = 0
    while text[at:].strip(" \t\n\v\f\r"):
        count += 1
        name = _NAME.match(text, at)
        if name is None or not name["equals"]:
            raise ValueError(
                f"has no '=' after its {_ordinal(count)} keyword; {_EXAMPLE}, with quotes around a value"
                " that has blanks: password='a b'"
            )
        value = (_QUOTED if text.startswith("'", name.end()) else _BARE).match(text, name.end())
        if value is None:
            raise ValueError(
                f"has a quote that is not closed, after its {_ordinal(count)} keyword; write a ' inside of"
                " quotes as \\'"
            )
        quoted = value.re is _QUOTED
        at = value.end() + (0 if quoted else text.startswith("\\", value.end()))
        _put(found, name["name"], _ESCAPED.sub(r"\1", value[1] if quoted else value[0]), count)
    return found


def _from_uri(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    if info := _USER_INFO.match(rest):
        at = info.end()
        _put_decoded(found, "user", info["user"])
        _put_decoded(found, "password", info["password"] or "")
    hosts: list[str] = []
    ports: list[str] = []
    while True:
        host = _HOST.match(rest, at)
        if host is None:
            raise ValueError("has a [ without an IPv6 address and a ] behind it")
        hosts.append(host["ipv6"] or host["name"] or "")
        ports.append(host["port"] or "")
        at = host.end()
        if not rest.startswith(",", at):
            break
        at += 1
    _put_decoded(found, "host", ",".join(hosts))
    _put_decoded(found, "port", ",".join(ports))
    if at < len(rest) and rest[at] not in "/?":
        raise ValueError(f"goes on in a way that no URL does after a host; {_PERCENT}")
    path, _, query = rest[at:].partition("?")
    _put_decoded(found, "dbname", path.removeprefix("/"))
    for count, pair in enumerate(query.removesuffix("&").split("&") if query else (), 1):
        name, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise ValueError(f"has not exactly one '=' in its {_ordinal(count)} parameter after the '?'")
        name, value = _decoded(name), _decoded(value)
        _put(found, *(("sslmode", "require") if (name, value) == ("ssl", "true") else (name, value)), count)
    return found


def _put(found: dict[str, str], name: str, value: str, count: int) -> None:
    if name == _OBSOLETE:
        name, value = "sslmode", "require" if value.startswith("1") else "prefer"
    if name not in KEYWORDS:
        close = nearest(name, KEYWORDS)
        raise ValueError(
            f"has an unknown keyword, the {_ordinal(count)}{close if 'did you mean' in close else _USUAL}"
        )
    found[name] = value


def _put_decoded(found: dict[str, str], name: str, value: str) -> None:
    if value:
        found[name] = _decoded(value)


def _decoded(text: str) -> str:
    """Undo percent-encoding; blanks around are dropped and none may stand inside, as since PostgreSQL 18."""
    text = text.strip(" ")
    if _BAD_PERCENT.search(text) or " " in text:
        raise ValueError(f"has a % without two hexadecimal digits, a %00 or a blank; {_PERCENT}")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text once its %XX are decoded") from None


def _ordinal(count: int) -> str:
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"
