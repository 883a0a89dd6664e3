"""How a rule finds a mistake in a command: by patterns, or by the words of each call in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """A text that ``finds`` matches is a mistake; ``sentence`` tells why and what to write instead."""

    name: str
    sentence: str
    finds: Callable[[str], bool]


def has(pattern: str, unless: str = "") -> Callable[[str], bool]:
    """A rule by two patterns; letters of either case, lines joined."""
    bad = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    good = re.compile(unless, re.IGNORECASE | re.DOTALL) if unless else None
    return lambda text: bool(bad.search(text)) and not (good is not None and good.search(text))


_WRAPPERS = {"sudo", "watch", "time", "timeout", "nohup", "env", "xargs", "do", "then", "while", "if", "!"}
_PREFIX = re.compile(r"-\S*|\d+[smh]?|\w+=.*")


def calls(text: str, program: str) -> Iterator[list[str]]:
    """The words of every call of ``program`` in a command line; pipes, lists and substitutions taken apart.

    What runs inside a pod is an argument of kubectl, not a call.
    """
    text = text.replace("\\\n", " ").replace("$(", ";").replace("`", ";")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|;&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        words = list(lexer)
    except ValueError:  # an open quote: a line cut out of a longer one
        words = text.split()
    current: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set("|;&\n"):
            if current and current[0].rsplit("/", 1)[-1] == program:
                yield current
            current = []
        elif current or not (word in _WRAPPERS or _PREFIX.fullmatch(word)):
            current.append(word)


def _own(words: list[str]) -> list[str]:
    """The words of kubectl itself, without the command that runs in the pod."""
    return words[: words.index("--")] if "--" in words else words


def _flagged(words: list[str], *flags: str) -> bool:
    return any(word.partition("=")[0] in flags for word in words)


_LOCAL = {"config", "version", "api-resources", "api-versions", "cluster-info", "explain", "completion"}
_CLUSTER_WIDE = {"node", "nodes", "no", "namespace", "namespaces", "ns", "pv", "persistentvolumes"}


def unpinned(text: str) -> bool:
    """A kubectl whose context or namespace is left to the kubeconfig."""
    for words in calls(text, "kubectl"):
        own = _own(words)
        verbs = [word for word in own[1:] if not word.startswith("-")]
        if _LOCAL & set(own):
            continue
        if not _flagged(own, "--context"):
            return True
        namespaced = not _CLUSTER_WIDE & {verb.partition("/")[0] for verb in verbs}
        if namespaced and not _flagged(own, "-n", "--namespace", "-A", "--all-namespaces"):
            return True
    return False


def tty(text: str) -> bool:
    """A terminal for a command that ends by itself; a shell or a bare client is meant for a person."""
    for words in calls(text, "kubectl"):
        own = _own(words)
        wants = any(re.fullmatch(r"-[a-z]*t[a-z]*", word) or word.startswith("--tty") for word in own)
        inner = words[len(own) + 1 :]
        shell = bool(inner) and re.fullmatch(r"(/bin/)?(ba|z|a)?sh|psql|redis-cli", inner[0]) is not None
        if {"exec", "run"} & set(own) and wants and not (shell and not {"-c", "-f", "-e"} & set(inner)):
            return True
    return False


def one_pod_logs(text: str) -> bool:
    """Logs of a workload, which are those of one of its pods."""
    return any(
        "logs" in words
        and any(re.match(r"(deploy(ment)?s?|sts|statefulsets?|ds|daemonsets?)/", word) for word in words)
        and not _flagged(words, "--all-pods", "-l", "--selector")
        for words in calls(text, "kubectl")
    )


def without_container(text: str) -> bool:
    """A change of every container of a workload."""
    return any(
        "set" in words
        and {"resources", "env"} & set(words)
        and not _flagged(words, "-c", "--containers", "--list")
        for words in calls(text, "kubectl")
    )


def two_streams(text: str) -> bool:
    """Two followed logs one after the other."""
    return sum("logs" in words and _flagged(words, "-f", "--follow") for words in calls(text, "kubectl")) > 1


def bare_redis(text: str) -> bool:
    """A redis-cli that is told no server."""
    return any(not _flagged(words, "-h", "-u", "-s") for words in calls(text, "redis-cli"))


def curl(finds: Callable[[list[str]], bool]) -> Callable[[str], bool]:
    """A rule for the words of every curl."""
    return lambda text: any(finds(words) for words in calls(text, "curl"))


def bundled_flag(words: list[str], letter: str, long: str) -> bool:
    """Whether a flag is given, alone or among other letters."""
    return any(word == long or re.fullmatch(rf"-[a-zA-Z]*{letter}[a-zA-Z]*", word) for word in words)


def health_by_exit_code(words: list[str]) -> bool:
    """A health check that a 503 passes, or that waits for ever."""
    health = any(re.search(r"/(health|healthz|ready|status)\b", word) for word in words)
    timed = _flagged(words, "--max-time", "-m")
    return health and not (bundled_flag(words, "f", "--fail") and timed)
