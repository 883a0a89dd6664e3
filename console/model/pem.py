"""Private keys in PEM form (RFC 7468, and what OpenSSH and OpenPGP make of it) in text of any kind.

A text may begin or end in the middle of a key: the end of a log, a clipped message. Its lines may carry
prefixes (the times of a log), stand in a JSON string with their newlines escaped, or be joined by blanks.
Every function takes time in proportion to the length of the text, whatever stands in it.
"""

import re

_MARKER = re.compile(r"-----(?P<which>BEGIN|END) (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_AFTER_BEGIN = re.compile(r"[A-Za-z0-9+/=\s\\:,.-]*")

_REACH = 512 * 1024
"""Characters before an end in which its key is looked for; the largest have some 20,000, without prefixes."""
_BREAK = re.compile(r"(\n|(?:\\+[nr])+)")
_STRAYS = 4
"""Lines of others that may stand between two lines of a key, as where several threads write one log."""
_SOME, _ALONE, _LINE = 12, 20, 40
"""Characters by which a line of a key is known: near others; beside other words, with none near; anywhere.
It has 64 to 76, unless it is the last one or was cut."""
_WORD = re.compile(rf"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{{{_SOME},}}={{0,2}}")
_ENDING = re.compile(r"=?[A-Za-z0-9+/]{1,76}={0,2}")
"""The last line of a key, or the checksum that follows it in OpenPGP, as in ``=njUN``."""
_EDGES = " \t\r\"',\\"


def mask_keys(text: str, mask: str) -> str:
    """Return `text` with `mask` in the place of what belongs to private keys; their markers stay."""
    out: list[str] = []
    done = 0
    begun: list[re.Match[str]] = []
    for marker in _MARKER.finditer(text):
        if marker["which"] == "BEGIN":
            begun.append(marker)
            continue
        if begun:
            out += (text[done : begun[0].end()], f" {mask} ")
        else:
            begin = max(done, marker.start() - _REACH)
            out += (text[done:begin], _mask_before_end(text[begin : marker.start()], mask, cut=begin == 0))
        out.append(marker[0])
        done = marker.end()
        begun.clear()
    for marker in begun:  # what none of them has is an end
        if marker.start() >= done:
            out += (text[done : marker.end()], f" {mask}")
            body = _AFTER_BEGIN.match(text, marker.end())
            done = body.end() if body else marker.end()
    return "".join((*out, text[done:])) if out else text


def _mask_before_end(text: str, mask: str, *, cut: bool) -> str:
    """Mask the lines of a key that end with `text` and whose beginning is not in it.

    `cut`: all that is known begins with `text`, maybe in the middle of a line.
    """
    parts = _BREAK.split(text)
    last = len(parts) - 1
    lines = _lines_of_key(parts, cut=cut)
    if not lines:
        begun = False
        for at in reversed([at for at in range(last, -1, -2) if parts[at].strip(_EDGES)][:2]):
            line = parts[at]
            alone = _mask_alone(line, mask, cut=cut and at == 0)
            parts[at] = _mask_ending(line, mask) if begun and at < last else alone
            begun = parts[at] != line
        return "".join(parts)
    near = sum(bool(part.strip(_EDGES)) for part in parts[: lines[-1] : 2]) <= _STRAYS
    for at in range(0 if near else lines[-1] - 2, last + 1, 2):
        parts[at] = _WORD.sub(lambda word: mask if _is_of_key(word[0]) else word[0], parts[at])
    for at in range(lines[0], last, 2) if lines[0] < last else (last,):
        parts[at] = _mask_ending(parts[at], mask)
    if cut and near:
        parts[0] = _mask_rest(parts[0], mask)
    return "".join(parts)


def _lines_of_key(parts: list[str], *, cut: bool) -> list[int]:
    """Which of the lines are certainly of the key that ends with them, from the last one back."""
    found: list[int] = []
    strays = 0
    for at in range(len(parts) - 1, -1, -2):
        least = _SOME if cut and at == 0 and _is_one_word(parts[0]) else _LINE
        if any(len(word[0]) >= least and _is_random(word[0]) for word in _WORD.finditer(parts[at])):
            found.append(at)
            strays = 0
        elif parts[at].strip(_EDGES):
            strays += 1
            if strays > _STRAYS:
                break
    return found


def _is_random(word: str) -> bool:
    """Whether a word is base64 rather than a name, a path or a checksum in hexadecimal."""
    mixed = word.upper() != word != word.lower() and any(char.isdigit() for char in word)
    return mixed and word.count("/") <= max(len(word) // 8, 2)


def _is_of_key(word: str) -> bool:
    return word.endswith("=") or _is_random(word)


def _last_word(line: str) -> tuple[int, int]:
    """Where the last word of a line begins and ends; psql ends a line that goes on with a plus."""
    end = len(line.rstrip(_EDGES).removesuffix(" +").rstrip(_EDGES))
    begin = max(line.rfind(edge, 0, end) for edge in _EDGES) + 1
    return begin, end


def _mask_ending(line: str, mask: str) -> str:
    """Mask the last word where it can end a key: base64 comes in groups of four."""
    begin, end = _last_word(line)
    word = line[begin:end]
    whole = len(word.removeprefix("=")) % 4 == 0
    return line[:begin] + mask + line[end:] if whole and _ENDING.fullmatch(word) else line


def _mask_rest(line: str, mask: str) -> str:
    """Mask the only word of a line, or the first one before others of a key: the rest of what was cut."""
    first = line.split(" ", 1)[0].rstrip(_EDGES)
    rest = line[len(first) :]
    alone = not rest.strip(_EDGES + "+") or rest.strip(_EDGES).startswith(mask)
    return mask + rest if alone and _ENDING.fullmatch(first) else line


def _mask_alone(line: str, mask: str, *, cut: bool) -> str:
    """Mask the last word of a line where it can hardly be a word, although nothing else of a key is there."""
    begin, end = _last_word(line)
    if cut and begin == 0:
        telling = _ENDING.fullmatch(line, 0, end) is not None and end >= 4 and _is_of_key(line[:end])
        return mask + line[end:] if telling else line
    for word in _WORD.finditer(line):
        least = _SOME if word[0].endswith("=") or _is_one_word(line) else _ALONE
        if word.end() == end and len(word[0]) >= least and _is_of_key(word[0]):
            return line[: word.start()] + mask + line[end:]
    return line


def _is_one_word(line: str) -> bool:
    begin, _ = _last_word(line)
    return not line[:begin].strip(_EDGES)
