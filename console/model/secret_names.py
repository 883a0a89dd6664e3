"""Which names (of keys, columns, variables, flags) stand for secrets."""

import re
from functools import lru_cache

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STRONG = ("password", "passwd", "passphrase", "passwords", "credentials", "credential")
_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "secretkey", "privatekey")
_EXACT = {"pwd", "requirepass", "masterauth", "jsessionid", "phpsessid", "sessionid", "passcode", "sharedkey"}
_KEY_OWNER = re.compile(
    "account|access|api|app|application|auth|client|consumer|deploy|encryption|hmac|integration|jwt|license"
    "|master|private|routing|secret|service|session|shared|signing|ssh|symmetric|webhook"
)
# Words after the telling one that leave its meaning: DB_PASSWORD_PROD, SECRET_KEY_BASE, token2.
_MODIFIER = re.compile(
    r"again|b64|base|confirm|confirmation|current|dev|digest|enc|encoded|encrypted|hash|live|new|next|old"
    r"|plain|plaintext|previous|primary|prod|production|raw|repeat|secondary|stage|staging|string|test|text"
    r"|value|\d+"
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a value under `name` (a key, column, variable or flag) is a secret.

    `DB_PASSWORD`, `apiKey`, `x-auth-token` and `SECRET_KEY_BASE` are; `secretName`, `token_count`,
    `primary_key`, `password_file` and `tokens` are not.
    """
    words: list[str] = [word.lower() for word in WORD.findall(name)]
    while words and _MODIFIER.fullmatch(words[-1]):
        words.pop()
    if not words:
        return False
    last = words[-1]
    if last in _STRONG or last in _EXACT or last.endswith(_ENDINGS):
        return True
    if last == "pass" or last == "pw":
        return len(words) > 1
    if last.endswith("pass"):
        return last not in {"bypass", "compass", "underpass", "overpass", "trespass"}
    if last == "pwd" or last.endswith("pwd"):
        return last != "oldpwd"
    return last == "key" and len(words) > 1 and _KEY_OWNER.fullmatch(words[-2]) is not None
