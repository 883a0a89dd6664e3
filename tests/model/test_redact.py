import base64
import json
import random
import time
from collections.abc import Callable

import pytest

from console.model.redact import _STEPS, MASK, redact, redact_value
from console.model.secret_names import is_secret_name

# Built at run time, so that no scanner takes the samples for leaked credentials.
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
S = "Tr0ub4dor" + "And3"
BASIC = base64.b64encode(b"bob:" + S.encode()).decode()
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + S + "\nAAAA==\n-----END RSA PRIVATE KEY-----"

LEAKS = [
    f"postgres://app:{S}@db:5432/shop",
    f"connect postgresql://app:p@{S}/x?y#z@db/shop?sslmode=require failed",
    f"redis://:{S}@cache:6379/0",
    f"https://bob:{S}@git.example.com/x.git",
    f"https://{S}4567890abcdef@git.example.com/x.git",
    f"mongodb+srv://u:{S}@c0.example.net/db",
    f"host=db user=app password={S} dbname=shop",
    f"host=db password='{S} with blank' dbname=shop",
    f"Authorization: Bearer {S}",
    f"authorization: {S}",
    f"'Authorization: Basic {BASIC}'",
    f'{{"Authorization": "Token {S}"}}',
    f"Proxy-Authorization: Basic {BASIC}",
    f"Authorization: AWS4-HMAC-SHA256 Credential=AK/x, SignedHeaders=host, Signature={S}",
    f"sent header Bearer {S}123",
    f"curl -H 'X-Api-Key: {S}' https://api.example.com",
    f"X-Vault-Token: {S}",
    f"PRIVATE-TOKEN: {S}",
    f"retry with Basic {BASIC}",
    f"got {JWT} from the client",
    "key AKIA" + "IOSFODNN7EXAMPLE",
    f"aws_secret_access_key = {S}/K7MDENG",
    "ghp_" + S * 3,
    "github_pat_" + S * 3,
    "glpat-" + S * 2,
    "xoxb-" + "123456789012-" + S,
    "https://hooks.slack.com/services/T000/B000/" + S,
    "sk_live_" + S,
    "whsec_" + S * 2,
    "AIza" + S * 3,
    "ya29." + S * 2,
    "npm_" + S * 3,
    "hvs." + S * 2,
    PEM,
    PEM[:60],
    json.dumps({"key": PEM}),
    "tls.key: LS0tLS1CRUdJTiBQUk" + S * 3,
    f"DB_PASSWORD={S}",
    f"export PGPASSWORD='{S}' psql",
    f"SECRET_KEY_BASE={S}",
    f"DB_PASS={S}",
    f"MYSQL_PWD={S}",
    f'{{"apiKey":"{S}"}}',
    f'{{"user":"bob","accessToken": "{S}"}}',
    json.dumps(json.dumps({"password": S})),
    f"client_secret: {S}",
    f"  password: '{S}'",
    f"spring.datasource.password={S}",
    f"password:{S}",
    f"password={S},user=bob",
    f"PASSWORD=x,{S}",
    f"PASSWORD=x;{S}&y",
    f"user[password]={S}&x=1",
    f"GET /login?user=bob&token={S}&x=1",
    f"https://blob.example.net/f?sv=1&sig={S}%3D",
    f"secrets: password={S}",
    f"data: token => {S}",
    f"ALTER USER bob PASSWORD '{S}'",
    f"CREATE ROLE bob LOGIN ENCRYPTED PASSWORD 'a''{S}' VALID UNTIL 'x'",
    f"CREATE USER bob IDENTIFIED BY '{S}'",
    f"ALTER ROLE bob PASSWORD $x${S}$x$",
    f"UPDATE users SET password = '{S}' WHERE id = 1",
    f"UPDATE users SET password = crypt('{S}', gen_salt('bf'))",
    f"DETAIL:  Key (user_id, token)=(1, {S}) already exists.",
    f"kubectl create secret generic x --from-literal=password={S}",
    f"tool --password {S} --host db",
    f"tool --api-key {S}",
    f"redis-cli -h cache -a {S} PING",
    f"mysql -u root -p{S} shop",
    f"sshpass -p {S} ssh host",
    f"curl -s -u bob:{S} https://api.example.com",
    f"CONFIG SET requirepass {S}".replace("requirepass ", "requirepass="),
    f"Cookie: sid={S}; theme=dark",
    f"Set-Cookie: sid={S}; Path=/; HttpOnly",
    f"AccountName=x;AccountKey={S};EndpointSuffix=y",
    f"- name: DB_PASSWORD\n  value: {S}",
    f'"password": ["{S}", "x"]',
    f"<db><password>{S}</password></db>",
    f"the new password is {S}",
    f"api key: {S}",
    f'{{"name":"API_TOKEN","value":"{S}"}}',
]

INNOCENT = [
    "",
    "token bucket refilled at 50/s",
    "secret santa draws at noon",
    "the password was rotated yesterday",
    'password authentication failed for user "app"',
    "Error: password: required",
    "invalid token: expired",
    "Bearer authentication is required",
    "Basic authentication is required; basic troubleshooting helps",
    "basic information about the incident",
    "max_tokens=4096 token_count=17 tokens: 100",
    "SELECT id, password, api_key FROM users WHERE token IS NOT NULL ORDER BY password_reset_at",
    "SELECT * FROM users u JOIN sessions s ON s.token = u.session_token WHERE u.password = $1",
    "UPDATE users SET password = %s, api_key = :api_key WHERE id = ?",
    "ALTER SYSTEM SET password_encryption = 'scram-sha-256'",
    "primary_key=17 cache_key=user:42 public_key=abc partition-key: 9",
    "secretName: db-credentials secretKeyRef: name: db key: url",
    "password_file=/run/secrets/db PWD=/root token_url=https://idp.example.com/oauth",
    "image: registry.example.com/auth-token:1.4.2",
    "image sha256:3f1d2c5b8a9e7f6d4c3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a3f2e1d",
    "pod auth-service-7d9f8b6c5d-x2x4z restarted 3 times, exit code 137",
    "deployment/backend scaled 3 -> 5 by alice",
    "http://prometheus:9090/api/v1/query?query=up&time=2026-01-01T00:00:00Z",
    "see https://wiki.example.com/runbooks#pass or ssh://git@github.com/x/y.git",
    "http://host:8080/path?mail=a@b.c",
    "password=$DB_PASSWORD url=${DATABASE_TOKEN} key={{ .Values.secret }}",
    "passwordless=true bypass=on compass: north tokenizer=bpe",
    "12 pass, 3 fail; pass=12 fail=3",
    "sk-learn-pipeline-with-a-very-long-name is fine",
    "skipped: 3; asking for the key person",
    "monkey: banana",
    "docker run -u 1000:1000 app",
    "Cookie banner missing",
    "authorization: denied",
    "-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----",
    "the password is wrong and the token is 15 minutes old",
    "deployment/auth-token: rolled out, pod/web-secret: ready",
    "<name>secret</name>",
    "Key (user_id)=(42) already exists.",
    'level=fatal msg="session store: open /etc/shop/session.key: permission denied"',
    "/run/secrets/db_password: Permission denied; /etc/token: Too many open files",
    "open /var/lib/redis/auth-token: read-only file system",
]


@pytest.mark.parametrize("text", LEAKS)
def test_secrets_are_masked_once_and_for_all(text: str) -> None:
    result = redact(text)
    assert S not in result
    assert BASIC not in result
    assert "IOSFODNN7" not in result
    assert MASK in result
    assert redact(result) == result


def test_what_only_begins_like_a_reason_of_the_system_is_masked() -> None:
    assert redact("password: permission-hunter2") == f"password: {MASK}"
    assert redact("api_key: connection hunter2").startswith(f"api_key: {MASK}")
    assert redact("password=too many secrets").startswith(f"password={MASK}")


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_lines_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"postgres://app:{S}@db:5432/shop?sslmode=require",
            "postgres://app:REDACTED@db:5432/shop?sslmode=require",
        ),
        (f"host=db password={S} dbname=shop", "host=db password=REDACTED dbname=shop"),
        (f"Authorization: Bearer {S} rest", "Authorization: Bearer REDACTED rest"),
        (f'{{"user":"bob","password":"{S}","n":1}}', '{"user":"bob","password":"REDACTED","n":1}'),
        (f"GET /login?token={S}&user=bob", "GET /login?token=REDACTED&user=bob"),
        (
            f"ALTER USER bob PASSWORD '{S}' VALID UNTIL 'x'",
            "ALTER USER bob PASSWORD 'REDACTED' VALID UNTIL 'x'",
        ),
        (f"Cookie: sid={S}; theme=dark GET /", "Cookie: sid=REDACTED; theme=REDACTED GET /"),
        (f"AccountName=x;AccountKey={S};Suffix=y", "AccountName=x;AccountKey=REDACTED;Suffix=y"),
        (f"before\n{PEM}\nafter", f"before\n{PEM[:31]} REDACTED {PEM[-29:]}\nafter"),
        (f"redis-cli -a {S} PING", "redis-cli -a REDACTED PING"),
        (f"Key (id, token)=(1, {S}) already", "Key (id, token)=(REDACTED) already"),
        (f"fn(password={S})", "fn(password=REDACTED)"),
        (f"{{password: {S}}}", "{password: REDACTED}"),
    ],
)
def test_the_rest_stays_readable(text: str, expected: str) -> None:
    assert redact(text) == expected


SECRET_NAMES = """
password PASSWORD DB_PASSWORD PGPASSWORD dbPassword password2 DB_PASSWORD_PROD passwd passphrase
secret client_secret clientSecret token accessToken refresh_token x-auth-token api_key apiKey apikey
API-KEY AWS_SECRET_ACCESS_KEY SECRET_KEY_BASE private_key privateKey password_hash credentials
requirepass MYSQL_PWD DB_PASS smtppass routing_key AccountKey JSESSIONID password_confirmation
"""
HARMLESS_NAMES = """
key keys name user secretName secretRef secret_key_ref token_count tokens max_tokens token_type
token_bucket password_file password_policy password_reset_at passwordless tokenizer primary_key
cache_key public_key monkey turkey pass bypass compass secretary author authority id value
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES.split())
def test_harmless_names(name: str) -> None:
    assert not is_secret_name(name)


def test_values_under_secret_names_are_masked_whatever_their_type() -> None:
    value = {
        "user": "bob",
        "password": S,
        "token": 123456,
        "secret": True,
        "api_key": 1.5,
        "client_secret": None,
        "credentials": {"username": "bob", "value": S, "more": [1, {"x": S}]},
        "passwords": [S, 7],
        "count": 3,
        "ok": True,
    }
    assert redact_value(value) == {
        "user": "bob",
        "password": MASK,
        "token": MASK,
        "secret": MASK,
        "api_key": MASK,
        "client_secret": None,
        "credentials": {"username": "bob", "value": MASK, "more": [MASK, {"x": MASK}]},
        "passwords": [MASK, MASK],
        "count": 3,
        "ok": True,
    }


def test_kubernetes_objects_keep_names_and_lose_values() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"url": S}, "stringData": {"x": S}}
    applied = json.dumps(secret)
    pod = {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}},
        "env": [
            {"name": "DB_PASSWORD", "value": S},
            {"name": "MODE", "value": "fast"},
            {"name": "DB_TOKEN", "valueFrom": {"secretKeyRef": {"name": "db", "key": "token"}}},
        ],
        "volumes": [{"name": "tls", "secret": {"secretName": "tls", "defaultMode": 420}}],
    }
    clean_secret = {
        "kind": "Secret",
        "metadata": {"name": "db"},
        "data": {"url": MASK},
        "stringData": {"x": MASK},
    }
    assert redact_value(secret) == clean_secret
    result = redact_value(pod)
    assert isinstance(result, dict)
    assert S not in json.dumps(result)
    assert result["env"][1:] == pod["env"][1:]  # type: ignore[index]
    assert result["volumes"] == pod["volumes"]
    assert json.loads(result["metadata"]["annotations"].popitem()[1])["metadata"] == {"name": "db"}


@pytest.mark.parametrize(
    "dump", [json.dumps, lambda o: json.dumps(json.dumps(o)), lambda o: json.dumps(o, indent=2)]
)
def test_a_secret_object_as_json_text_loses_its_values(dump: Callable[[object], str]) -> None:
    text = dump({"data": {"a": S, "b": S + "}"}, "kind": "Secret", "metadata": {"name": "db"}})
    assert S not in redact(text)
    assert "db" in redact(text)
    assert S not in redact(text[:60] + '"kind":"Secret"')


def test_a_secret_object_as_yaml_loses_its_values() -> None:
    head, tail = "apiVersion: v1\ndata:\n", "kind: Secret\nmetadata:\n  name: db\n"
    text = f"{head}  url: {S}\n  long: |\n    {S}\n    {S}\n{tail}"
    expected = f"{head}  url: REDACTED\n  long: |\n    REDACTED\n    REDACTED\n{tail}"
    assert redact(text) == expected
    assert redact(text.replace("Secret", "ConfigMap")) == text.replace("Secret", "ConfigMap")


def test_the_value_after_a_secret_flag_is_masked() -> None:
    argv = ["psql", "--password", S, "--host", "db", "--token=" + S]
    assert redact_value(argv) == ["psql", "--password", MASK, "--host", "db", "--token=" + MASK]


def test_redact_value_leaves_its_argument_alone_and_ends_on_a_cycle() -> None:
    value: dict[str, object] = {"a": [f"password={S}"], ("x", 1): f"token={S}"}  # type: ignore[dict-item]
    before = repr(value)
    assert S not in json.dumps(redact_value(value))
    assert repr(value) == before
    value["self"] = value
    assert MASK in json.dumps(redact_value(value))


def test_no_step_is_left_out_where_it_would_have_masked() -> None:
    rng = random.Random(5)
    texts = [*LEAKS, *INNOCENT]
    texts += [" ".join(rng.sample(texts, 3)) for _ in range(300)]
    texts += [f"{text[: rng.randrange(len(text) + 1)]}{rng.choice(texts)}" for text in texts]
    texts += [text.upper() for text in texts]
    texts += [text.replace("s", "ſ").replace("k", "\u212a").replace("i", "ı") for text in texts]
    texts += [text.replace("i", "\u0130") for text in LEAKS]
    for text in texts:
        masked = text
        for _, mask in _STEPS:
            masked = mask(masked)
        assert redact(text) == masked


def test_long_hostile_text_takes_little_time() -> None:
    rng = random.Random(1)
    units = [
        "password",
        "=",
        "a-",
        "://",
        "Basic ",
        "--token ",
        "(a)=(",
        "'",
        "\\",
        "name: ",
        "curl ",
        "-----BEGIN ",
    ]
    texts = ["".join(rng.choices(units, k=2000)) for _ in range(5)] + [u * (20_000 // len(u)) for u in units]
    start = time.process_time()
    for text in texts:
        redact(text)
    # Seventeen texts of some 10 kB; a quadratic pattern needs far longer.
    assert time.process_time() - start < 20
