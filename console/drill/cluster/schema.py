"""The structural types of the served kinds: fields, lists that are keyed, parts that are atomic.

`schema.json` is a digest of the schema that Kubernetes publishes for server-side apply
(k8s.io/client-go `applyconfigurations/internal`, Apache-2.0). Its type expressions are `string`, `number`,
`bool`, `quantity`, `intorstr`, `time`, `any`, `#Name` (a struct), `{}X` (a map), `[]X` (an atomic list),
`[set]X`, and `[key,key]X` (a list keyed by fields); `!` or `{atomic}` marks what is replaced as a whole.
"""

import functools
import importlib.resources
import re
from typing import Any

import msgspec

from console.drill.cluster import quantity
from console.drill.cluster.errors import bad_request

Obj = dict[str, Any]


class Type(msgspec.Struct, frozen=True, eq=False):
    """One type. `kind` is scalar, struct, map, list, keyed or set."""

    kind: str
    scalar: str = ""
    name: str = ""
    keys: tuple[str, ...] = ()
    atomic: bool = False
    element: "Type | None" = None

    def field(self, name: str) -> "Type | None":
        """Return the type of a field of a struct, or of any key of a map; None when there is no such
        field."""
        if self.kind == "map":
            return self.element
        text = _digest().types.get(self.name, {}).get(name)
        return parse(text) if text is not None else None

    @property
    def open(self) -> bool:
        """Whether anything is allowed below it."""
        return self.scalar == "any"


class _Digest(msgspec.Struct, frozen=True):
    atomic: frozenset[str]
    types: dict[str, dict[str, str]]


@functools.cache
def _digest() -> _Digest:
    data = importlib.resources.files(__package__).joinpath("schema.json").read_bytes()
    return msgspec.json.decode(data, type=_Digest)


@functools.cache
def parse(text: str) -> Type:
    """Return the type that an expression of `schema.json` stands for."""
    if text.startswith("!"):
        return msgspec.structs.replace(parse(text[1:]), atomic=True)
    if text.startswith("#"):
        return Type("struct", name=text[1:], atomic=text[1:] in _digest().atomic)
    if text.startswith("["):
        inside, _, rest = text[1:].partition("]")
        if inside == "set":
            return Type("set", element=parse(rest))
        keys = tuple(inside.split(",")) if inside else ()
        return Type("keyed" if keys else "list", keys=keys, atomic=not keys, element=parse(rest))
    if text.startswith("{"):
        inside, _, rest = text[1:].partition("}")
        return Type("map", atomic=inside == "atomic", element=parse(rest))
    return Type("scalar", scalar=text)


def of(name: str) -> Type:
    """Return the struct type `name`, such as `apps.v1.Deployment`."""
    return parse("#" + name)


KEY_DEFAULTS = {"protocol": "TCP"}


def item_key(kind: Type, item: Any) -> tuple[Any, ...]:
    """Return the key of an entry of a keyed list."""
    if not isinstance(item, dict):
        return (repr(item),)
    return tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in kind.keys)


class Pruner:
    """Brings an object from outside into shape: unknown fields out and listed, nulls out, scalars checked.

    `unknown` holds the paths of what was dropped (`spec.template.foo`, `spec.containers[0].foo`).
    """

    def __init__(self, kind: str, version: str) -> None:
        self.unknown: list[str] = []
        self._kind = kind
        self._version = version

    def prune(self, value: Any, shape: Type, path: str = "") -> Any:
        """Return the value without what its type does not have. Raises a 400 for a wrong type."""
        if shape.open:
            return value
        if shape.kind in ("struct", "map"):
            if not isinstance(value, dict):
                raise self._wrong(value, path, "object")
            result = {}
            for name, inner in value.items():
                below = shape.field(name)
                where = f"{path}.{name}" if path else name
                if below is None:
                    self.unknown.append(where)
                elif inner is not None:
                    pruned = self.prune(inner, below, where)
                    # Go leaves out empty maps and lists, but not empty structs.
                    if pruned or below.kind in ("struct", "scalar"):
                        result[name] = pruned
            return result
        if shape.kind in ("list", "keyed", "set"):
            if not isinstance(value, list):
                raise self._wrong(value, path, "array")
            assert shape.element is not None
            return [self.prune(item, shape.element, f"{path}[{i}]") for i, item in enumerate(value)]
        return self._scalar(value, shape.scalar, path)

    def _scalar(self, value: Any, scalar: str, path: str) -> Any:
        if scalar == "quantity" and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            try:
                return quantity.canonical(value)
            except ValueError as error:
                raise self._error(str(error)) from None
        expected: dict[str, tuple[type, ...]] = {
            "string": (str,),
            "time": (str,),
            "number": (int, float),
            "intorstr": (int, str),
            "bool": (bool,),
        }
        types = expected.get(scalar, ())
        if not isinstance(value, types) or (isinstance(value, bool) and scalar != "bool"):
            raise self._wrong(value, path, {"number": "int32"}.get(scalar, scalar))
        return value

    def _wrong(self, value: Any, path: str, wanted: str) -> Exception:
        names: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "bool"}
        found = names.get(type(value), "number")
        where = re.sub(r"\[\d+\]", "", path)
        return self._error(
            f"json: cannot unmarshal {found} into Go struct field {self._kind}.{where} of type {wanted}"
        )

    def _error(self, why: str) -> Exception:
        return bad_request(
            f'{self._kind} in version "{self._version}" cannot be handled as a {self._kind}: {why}'
        )
