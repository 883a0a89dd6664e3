"""Masking of secrets in free text and in JSON-like data, before anything is shown, stored or sent.

`redact` knows the shapes of credentials (URLs, headers, provider tokens, private keys) and the names under
which they stand (`DB_PASSWORD=…`, `"apiKey": "…"`, `PASSWORD '…'`). Names and structure stay readable. It
is a net, not a proof: a secret that stands alone and looks like a word passes. Clean text first
(`console.model.text`), so that no escape sequence splits a name.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from console.model.pem import mask_keys
from console.model.secret_names import WORD, is_secret_name

MASK = "REDACTED"
_DEPTH = 40

# --- values --------------------------------------------------------------------------------------------

# What stands after a telling name without being a secret: placeholders, references, words of prose.
_HARMLESS = re.compile(
    r"\$\d+|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|\$\(\w+\)|\?|%s|%\(\w+\)s|:\w+|\{\{.*|<.*|\*+|\.{3,}|…|-+|[|>][-+]?"
    r"|any\(\$\d+\)|[{\[(]+|REDACTED|true|false|null|nil|none|undefined|yes|no|on|off|not|is|was|are|for|from|in"
    r"|to|and|or|the|a|an|all|must|has|have|should|cannot|required|optional|missing|empty|set|unset|unknown|valid"
    r"|invalid|incorrect|wrong|failed|failure|denied|accepted|expired|expires|revoked|rotated|rotation|changed"
    r"|enabled|disabled|ok|error|str|string|text|bytes|int|bool|varchar|char|object|secretstr|unauthorized",
    re.IGNORECASE,
)
# What the system says of a file, errno(3): "open /etc/shop/session.key: permission denied" names the cause.
_ERRNO = re.compile(
    r"(?:permission denied|operation not permitted|file exists|file name too long|read-only file system"
    r"|too many (?:open files|levels)|device or resource busy|resource temporarily unavailable"
    r"|input/output error|connection (?:refused|reset|timed out)|broken pipe|bad file descriptor"
    r"|stale file handle)\b",
    re.IGNORECASE,
)
_COLUMN = re.compile(r"[A-Za-z_]\w*\.(\w+)")
_QUOTED = re.compile(
    r'\\"(?P<e>(?:(?!\\").)*)\\"|"(?P<d>(?:[^"\\]|\\.)*)"?|\'(?P<s>(?:[^\'\\]|\'\'|\\.)*)\'?', re.DOTALL
)
# An unquoted value ends at a blank or quote, and at a delimiter that ends the list or begins the next pair.
_BARE = re.compile(
    r"\[[^\]\n]*+\]|\w++\((?:[^()\n]|\([^()\n]*\))*+\)?"
    r"|(?:[^\s\"'`\\,;&)}\]]|\\(?!\")|[,;&)}\]](?![\s\"'`,;&)}\]]|$|[\w.-]{0,60}+[\"']?\s{0,3}[=:]))++"
)
_PAIR = re.compile(
    r"(?<![\w.-])(?P<name>(?:(?i:api|access|secret|private|auth|signing|client) )?[\w.-]++)"
    r"(?P<quote>\\?[\"']|\])?(?P<sep>\s*(?:=>|:=|==|=|:(?!//|:))\s*)"
)
_FLAG = re.compile(r"(?<!\S)--?(?P<name>[A-Za-z][\w.-]*+)(?P<sep>[ \t]+)(?![-|&;<>])")
# A workload may be called auth-token; "deployment/auth-token: rolled out" gives nothing away.
_WORKLOADS = (
    "deployment/",
    "deploy/",
    "statefulset/",
    "sts/",
    "daemonset/",
    "pod/",
    "service/",
    "svc/",
    "job/",
)
_VERSION = re.compile(r"v?\d+(?:\.\d+)+[\w.+-]*|latest|stable|main|master|dev|prod|\d+")


def _looks_random(value: str) -> bool:
    return (
        len(value) >= 12
        and any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
        and _VERSION.fullmatch(value) is None
    )


def _is_secret_pair(match: re.Match[str], value: str, quoted: bool) -> bool:
    name, sep, quote = match["name"], match["sep"], match["quote"] if "quote" in match.groupdict() else None
    if not value or (not quoted and _HARMLESS.fullmatch(value.rstrip(".,:;!?"))):
        return False
    if not quoted and _ERRNO.match(match.string, match.end()):
        return False
    column = None if quoted else _COLUMN.fullmatch(value)
    if column is not None and is_secret_name(column[1]):
        return False
    if name.lower() in {"pwd", "oldpwd"} and value.startswith("/"):
        return False
    if sep[:1] == ":" and match.string.endswith(_WORKLOADS, 0, match.start()):
        return False
    strong = name.lower().endswith(("password", "passwd", "pwd"))
    if sep == ":" and quote is None and not quoted and not strong:
        # name:value without a blank is rather an image tag or a Redis key than a setting.
        return _looks_random(value)
    return True


def _mask_pairs(text: str, pattern: re.Pattern[str]) -> str:
    out: list[str] = []
    done = 0
    for match in pattern.finditer(text):
        if match.start() < done or not is_secret_name(match["name"]):
            continue
        start = match.end()
        quoted = _QUOTED.match(text, start)
        if quoted is not None and quoted.lastgroup is not None:
            begin, end = quoted.span(quoted.lastgroup)
        else:
            bare = _BARE.match(text, start)
            if bare is None:
                continue
            begin, end = bare.span()
        if _is_secret_pair(match, text[begin:end], quoted is not None):
            out += (text[done:begin], MASK)
            done = end
    return "".join((*out, text[done:])) if out else text


# --- shapes --------------------------------------------------------------------------------------------

_TOKENS = re.compile(
    r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"  # JWT, also a clipped one
    r"|\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|A3T[A-Z0-9])[A-Z0-9]{12,}\b"  # AWS
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{20,}"  # GitHub
    r"|\bgl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent|oas|ffct)-[\w-]{16,}"  # GitLab
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}"  # Slack
    r"|\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{16,}"  # Stripe
    r"|\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}"  # Google
    r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{50,}|\bhv[sbr]\.[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    r"|\bdo[opr]_v1_[a-f0-9]{32,}|\bsk-(?=[\w-]*\d)[\w-]{24,}"
    r"|\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}"  # base64 of a PEM block
)
_SCHEME = r"\b(?P<head>[A-Za-z][A-Za-z0-9+.-]{0,30}://"
_URL_PASSWORD = re.compile(_SCHEME + r"[^\s:/@?#\"'<>]*:)(?P<secret>[^\s/?#\"'<>]+)(?=@)")
# Passwords with a raw slash, question or number sign are common in the DSNs of people in a hurry.
_DSN_PASSWORD = re.compile(
    r"\b(?P<head>(?:postgres(?:ql)?|mysql|mariadb|rediss?|amqps?|mongodb|mssql|clickhouse|nats|kafka|ldaps?)"
    r"(?:\+\w{1,12})?://[^\s:/@?#\"'<>]*:)(?P<secret>[^\s\"'<>@]*[^\s\"'<>]*)(?=@)",
    re.IGNORECASE,
)
_URL_TOKEN = re.compile(_SCHEME + r")(?P<secret>(?=\w*\d)\w{20,})(?=@)")
_HOOK = re.compile(
    r"(?P<head>https://(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks"
    r"|[\w.-]*webhook\.office\.com/webhookb2)/)(?P<secret>[\w@/.-]+)"
)
_QUERY = re.compile(
    r"(?P<head>[?&](?:sig|signature|code|auth|key|x-amz-(?:signature|credential|security-token))=)"
    r"(?P<secret>[^\s&\"'#<>]{6,})",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?"
    r"(?:(?:bearer|basic|token|digest|negotiate|apikey|bot|splunk|key|aws4-hmac-sha256)\s+)?)"
    r"(?P<secret>[^\s\"'\\]+(?:(?<=,)\s+\w+=\"?[^\s\"'\\]+\"?)*)",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(?P<head>\bbearer\s+)(?P<secret>(?=\S*\d)[\w.~+/-]{12,}=*|[\w.~+/-]{30,}=*)", re.IGNORECASE
)
_BASIC = re.compile(r"(?P<head>\bbasic\s+)(?P<secret>[A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE)
_COOKIE = re.compile(
    r"(?P<head>\b(?:set-)?cookie\\?[\"']?\s*[:=]\s*\\?[\"']?)"
    r"(?P<secret>[^\s=;\"'\\]+=[^\s;\"'\\]*(?:;\s*[^\s=;\"'\\]+=[^\s;\"'\\]*)*)",
    re.IGNORECASE,
)
_CRUMB = re.compile(r"(?P<head>(?:^|;\s*)(?P<name>[^\s=;]+)=)(?P<secret>[^;]*)")
_SENTENCE = re.compile(
    r"(?P<head>\b(?:password|passphrase|secret|token|api key)\s+(?:is|was|to)\s+[\"']?)"
    r"(?P<secret>(?=\S*\d)[^\s\"']{6,})",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"(?P<head><(?P<name>[\w.:-]++)>)(?P<secret>[^<>]+)(?=</)")
_SQL = re.compile(
    r"(?P<head>\b(?:password|identified\s+(?:with\s+\w+\s+)?by)\s+(?:E|U&)?)"
    r"(?:'(?P<secret>(?:[^'\\]|''|\\.)*)'?|\$(?P<tag>\w*)\$(?P<dollar>.*?)\$(?P=tag)\$)",
    re.IGNORECASE | re.DOTALL,
)
_DUPLICATE = re.compile(r"(?P<head>\((?P<names>[\w\", .()]+?)\)=\()(?P<secret>[^)\n]*)")
_COMMAND = re.compile(
    r"(?P<head>\b(?:redis-cli\b[^\n|;]{0,200}?\s(?:-a|--pass)\s+|sshpass\s+-p\s*|mysql\w*\b[^\n|;]{0,200}?\s-p"
    r"|curl\b[^\n|;]{0,400}?\s(?:-u|--user)[\s=]*[\"']?[^\s:\"']+:))(?P<secret>[^\s\"']+)"
)
_ENV_ITEM = re.compile(
    r"(?P<head>\bname\\?[\"']?\s*:\s*\\?[\"']?(?P<name>[\w.-]++)\\?[\"']?\s*,?\s*"
    r"\\?[\"']?value\\?[\"']?\s*:\s*)(?P<value>\\?\"(?:(?!\\?\").)*|'[^']*|[^\s,}\"'\\]+)"
)
# A Kubernetes Secret as text: JSON (also escaped, as in the annotation of what kubectl applied last), YAML.
_SECRET_OBJECT = re.compile(r"\bkind\\*\"?\s*:\s*\\*\"?Secret\b")
_JSON_DATA = re.compile(
    r"(?P<head>(?P<quote>\\*\")(?:data|stringData)(?P=quote)\s*:\s*)"
    r"\{(?:\\+\"(?:(?!\\\").)*\\+\"|\"(?:[^\"\\]|\\.)*\"|[^{}\"])*+\}?",
    re.DOTALL,
)
_YAML_DATA = re.compile(r"^([ \t]*)(?:data|stringData):[ \t]*\n(?:\1[ \t]+\S.*(?:\n|$))+", re.MULTILINE)
_YAML_VALUE = re.compile(r"^([ \t]+[\w.\"'-]+:[ \t]+(?![|>])).+|^([ \t]+)[^:\n]+$", re.MULTILINE)


def _mask_secret(match: re.Match[str]) -> str:
    return match["head"] + MASK


def _mask_object(text: str) -> str:
    text = _JSON_DATA.sub(lambda m: f"{m['head']}{m['quote']}{MASK}{m['quote']}", text)
    return _YAML_DATA.sub(lambda m: _YAML_VALUE.sub(lambda v: (v[1] or v[2]) + MASK, m[0]), text)


def _mask_header(match: re.Match[str]) -> str:
    return match[0] if _HARMLESS.fullmatch(match["secret"].rstrip(".,:;")) else match["head"] + MASK


def _mask_basic(match: re.Match[str]) -> str:
    try:
        decoded = base64.b64decode(match["secret"], validate=True)
    except (binascii.Error, ValueError):
        return match[0]
    return match["head"] + MASK if b":" in decoded else match[0]


def _mask_cookie(match: re.Match[str]) -> str:
    return match["head"] + _CRUMB.sub(_mask_crumb, match["secret"])


def _mask_crumb(match: re.Match[str]) -> str:
    attribute = match["name"].lower() in {"path", "domain", "expires", "max-age", "samesite"}
    return match[0] if attribute else match["head"] + MASK


def _mask_sql(match: re.Match[str]) -> str:
    if match["secret"] is not None:
        return f"{match['head']}'{MASK}'" if match["secret"] else match[0]
    return f"{match['head']}${match['tag']}${MASK}${match['tag']}$"


def _mask_duplicate(match: re.Match[str]) -> str:
    names = re.findall(r"\w+", match["names"])
    return match["head"] + MASK if any(map(is_secret_name, names)) else match[0]


def _mask_element(match: re.Match[str]) -> str:
    return match["head"] + MASK if is_secret_name(match["name"]) else match[0]


def _mask_env_item(match: re.Match[str]) -> str:
    if not is_secret_name(match["name"]):
        return match[0]
    opening = re.match(r"\\?[\"']?", match["value"])
    return match["head"] + (opening[0] if opening else "") + MASK


def _mask_url(text: str) -> str:
    if "://" in text:
        for pattern in (_DSN_PASSWORD, _URL_PASSWORD, _URL_TOKEN):
            text = pattern.sub(_mask_secret, text)
    return text


def _mask_secret_object(text: str) -> str:
    return _mask_object(text) if _SECRET_OBJECT.search(text) else text


# Substring search beats a pattern, so a step is taken only where one of its hints stands, in lower case: no
# text without any of them can match.
_SHAPE_HINTS = (
    "eyj akia asia agpa aida aroa anpa anva a3t ghp_ gho_ ghu_ ghs_ ghr_ github_ gl xox xapp- k_live k_test"
    " whsec_ aiza ya29 gocspx npm_ pypi- hvs. hvb. hvr. sg. _v1_ sk- ls0t"
)
_NAME_HINTS = "pass pw credential secret token key masterauth sess"
"""In every name that ``is_secret_name`` knows."""
_STEPS: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = tuple(
    (tuple(hints.split()), mask)
    for hints, mask in (
        ("-----", lambda text: mask_keys(text, MASK)),
        ("secret", _mask_secret_object),
        ("@", _mask_url),
        ("hook", lambda text: _HOOK.sub(_mask_secret, text)),
        (_SHAPE_HINTS, lambda text: _TOKENS.sub(MASK, text)),
        ("authorization", lambda text: _AUTHORIZATION.sub(_mask_header, text)),
        ("cookie", lambda text: _COOKIE.sub(_mask_cookie, text)),
        ("bearer", lambda text: _BEARER.sub(_mask_secret, text)),
        ("basic", lambda text: _BASIC.sub(_mask_basic, text)),
        (_NAME_HINTS, lambda text: _ENV_ITEM.sub(_mask_env_item, text)),
        (_NAME_HINTS, lambda text: _DUPLICATE.sub(_mask_duplicate, text)),
        ("password identified", lambda text: _SQL.sub(_mask_sql, text)),
        ("redis-cli sshpass mysql curl", lambda text: _COMMAND.sub(_mask_secret, text)),
        ("? &", lambda text: _QUERY.sub(_mask_secret, text)),
        ("password passphrase secret token api", lambda text: _SENTENCE.sub(_mask_secret, text)),
        ("</", lambda text: _ELEMENT.sub(_mask_element, text)),
        (_NAME_HINTS, lambda text: _mask_pairs(text, _FLAG)),
        (_NAME_HINTS, lambda text: _mask_pairs(text, _PAIR)),
    )
)
# A pattern that ignores case takes these two for an i; folding alone does not.
_I = {0x130: "i", 0x131: "i"}
_ALL_HINTS = dict.fromkeys(hint for hints, _ in _STEPS for hint in hints)
_HINTS = tuple(hint for hint in _ALL_HINTS if not any(one in hint for one in _ALL_HINTS if one != hint))


def redact(text: str) -> str:
    """Return `text` with the secrets in it replaced by REDACTED; text without one is the same object.

    Redacting twice changes nothing more.
    """
    lower = text.lower() if text.isascii() else text.translate(_I).casefold()
    for hint in _HINTS:
        if hint in lower:
            break
    else:
        return text
    for hints, mask in _STEPS:
        for hint in hints:
            if hint in lower:
                text = mask(text)
                break
    return text


# --- data ----------------------------------------------------------------------------------------------

# Plain facts beside a secret: what a Kubernetes volume or a reference says about it.
_FACTS = {"name", "namespace", "key", "path", "mode", "optional", "type", "kind", "user", "username", "ref"}


def redact_value(value: object) -> object:
    """Return a copy of JSON-like `value` without secrets: strings redacted, values under secret names masked.

    Under a secret name numbers and booleans are masked too; None stays. The `data` of a Kubernetes Secret
    and the `value` beside a telling `name` (an environment entry) are masked. Values of other types become
    redacted strings; what is nested deeper than 40 levels is replaced by REDACTED.
    """
    return _redact(value, secret=False, depth=0)


def _redact(value: object, *, secret: bool, depth: int) -> object:
    if value is None or value == "":
        return value
    if depth > _DEPTH:
        return MASK
    if isinstance(value, Mapping):
        return _redact_mapping(value, secret=secret, depth=depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _redact_items(value, secret=secret, depth=depth)
    if secret:
        return MASK
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redact(value)
    return redact(str(value))


def _redact_items(value: Iterable[object], *, secret: bool, depth: int) -> list[object]:
    out: list[object] = []
    flag = False  # the item before was a flag like --password, so this one is its value
    for item in value:
        out.append(_redact(item, secret=secret or flag, depth=depth + 1))
        flag = isinstance(item, str) and item.startswith("--") and "=" not in item and is_secret_name(item)
    return out


def _redact_mapping(value: Mapping[object, object], *, secret: bool, depth: int) -> dict[str, object]:
    holds_secret = value.get("kind") == "Secret"
    name = value.get("name")
    named_secret = isinstance(name, str) and is_secret_name(name)
    out: dict[str, object] = {}
    for raw_key, item in value.items():
        key = str(raw_key)
        shown, telling, fact = _judge_key(key)
        hidden = (
            (secret and not fact)
            or telling
            or (holds_secret and key in {"data", "stringData"})
            or (named_secret and key == "value")
        )
        if holds_secret and key in {"data", "stringData"} and isinstance(item, Mapping):
            out[key] = {redact(str(k)): MASK for k in item}
        else:
            out[shown] = _redact(item, secret=hidden, depth=depth + 1)
    return out


@lru_cache(maxsize=512)
def _judge_key(key: str) -> tuple[str, bool, bool]:
    """A key without secrets, whether it names one, and whether it stands for a plain fact beside one.

    The same few keys come again and again in a long record, and judging one costs as much as a whole line.
    """
    words = WORD.findall(key)
    telling = is_secret_name(key)
    return redact(key), telling, bool(words) and words[-1].lower() in _FACTS and not telling
