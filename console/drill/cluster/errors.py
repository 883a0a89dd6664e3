"""Errors of the simulated API server, as the `Status` objects that a real one answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class ApiError(Exception):
    """A request that the API server refuses: an HTTP code and the `Status` body that goes with it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details) if details is not None else None
        self.headers = dict(headers or {})

    def status(self) -> dict[str, Any]:
        """Return the body: a `Status` of meta/v1."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class RawError(Exception):
    """An answer in plain text, as the API server gives for a path that it does not serve."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def qualified(plural: str, group: str) -> str:
    """Return `deployments.apps`, or `pods` for the core group."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    return {**details, "kind": kind, **more}


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for an object."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(name, group, plural))


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 for a create of something that is there."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, plural))


def conflict(plural: str, group: str, name: str) -> ApiError:
    """409 for a write based on an old resourceVersion."""
    message = (
        f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, _details(name, group, plural))


def precondition(kind: str, name: str, field: str, wanted: str, found: str) -> ApiError:
    """409 for a delete whose `preconditions` do not hold; `field` is `UID` or `ResourceVersion`."""
    message = (
        f'Operation cannot be fulfilled on {kind} "{name}": the {field} in the precondition ({wanted})'
        f" does not match the {field} in record ({found}). The object might have been "
        + ("deleted and then recreated" if field == "UID" else "modified")
    )
    return ApiError(409, "Conflict", message, {"name": name, "kind": kind})


class Cause(tuple[str, str, str]):
    """One cause of a 422: reason, message, field."""

    __slots__ = ()


def required(field: str, hint: str = "") -> Cause:
    """A field that is missing."""
    return Cause(("FieldValueRequired", f"Required value{': ' + hint if hint else ''}", field))


def invalid_value(field: str, value: Any, why: str) -> Cause:
    """A field whose value is wrong; strings are shown quoted, as Go does."""
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Cause(("FieldValueInvalid", f"Invalid value: {shown}: {why}", field))


def unsupported(field: str, value: str, allowed: Sequence[str]) -> Cause:
    """A field whose value is not one of those allowed."""
    choice = ", ".join(f'"{one}"' for one in allowed)
    return Cause(
        ("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {choice}', field)
    )


def duplicate(field: str, value: str) -> Cause:
    """A list entry whose key is there twice."""
    return Cause(("FieldValueDuplicate", f'Duplicate value: "{value}"', field))


def forbidden_field(field: str, why: str) -> Cause:
    """A field that may not be changed."""
    return Cause(("FieldValueForbidden", f"Forbidden: {why}", field))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with its causes."""
    texts = [f"{field}: {message}" for _, message, field in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    listed = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    message = f'{qualified(kind, group)} "{name}" is invalid: {text}'
    return ApiError(422, "Invalid", message, _details(name, group, kind, causes=listed))


def rejected() -> ApiError:
    """422 for a JSON Patch whose `test` fails or whose path is not there."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(user: str, verb: str, group: str, resource: str, namespace: str, name: str) -> ApiError:
    """403 of the RBAC authorizer. `resource` may carry a subresource (`pods/log`)."""
    plural = resource.partition("/")[0]
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = qualified(plural, group) + (f' "{name}"' if name else "")
    deed = f'cannot {verb} resource "{resource}" in API group "{group}" {scope}'
    message = f'{what} is forbidden: User "{user}" {deed}'
    return ApiError(403, "Forbidden", message, _details(name, group, plural))


def unauthorized() -> ApiError:
    """401."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def unsupported_media_type() -> ApiError:
    """415."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_acceptable(media: str) -> ApiError:
    """406."""
    message = f"only the following media types are accepted: {media}"
    return ApiError(406, "NotAcceptable", message, {})


def method_not_allowed() -> ApiError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


class ExpiredError(ApiError):
    """410: a resourceVersion or a continue token that history no longer reaches.

    `token` goes on with a list from where it was, at the state of now. Source: k8s.io/apiserver
    `pkg/storage/etcd3` handleCompactedErrorForPaging.
    """

    def __init__(self, message: str, token: str = "") -> None:
        super().__init__(410, "Expired", message)
        self.token = token

    def status(self) -> dict[str, Any]:
        """Return the body, with the token in its metadata."""
        return {**super().status(), "metadata": {"continue": self.token} if self.token else {}}


def too_old(requested: int, oldest: int) -> ApiError:
    """410 of a watch."""
    return ExpiredError(f"too old resource version: {requested} ({oldest})")


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> ApiError:
    """409 of a server-side apply. Each conflict is the other manager as text and the field's path."""
    by_manager: dict[str, list[str]] = {}
    for manager, path in conflicts:
        by_manager.setdefault(manager, []).append(path)
    parts = []
    for manager, paths in sorted(by_manager.items()):
        if len(paths) == 1:
            parts.append(f"conflict with {manager}: {paths[0]}")
        else:
            parts.append("\n".join([f"conflicts with {manager}:", *(f"- {path}" for path in paths)]))
    noun = "conflict" if len(conflicts) == 1 else "conflicts"
    message = f"Apply failed with {len(conflicts)} {noun}: " + "\n".join(parts)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in conflicts
    ]
    return ApiError(409, "Conflict", message, {"causes": causes})


class UnknownFieldsError(ApiError):
    """The 400 of strict field validation."""

    def __init__(self, kind: str, version: str, unknown: Sequence[str]) -> None:
        self._text = "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)
        message = f'{kind} in version "{version}" cannot be handled as a {kind}: {self._text}'
        super().__init__(400, "BadRequest", message)

    def of_patch(self, result: Mapping[str, Any]) -> ApiError:
        """Return the 422 that a patch leads to, with the whole patched object in it."""
        quoted = msgspec.json.encode(msgspec.json.encode(result).decode()).decode()
        message = f"Invalid value: {quoted}: {self._text}"
        details = {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]}
        return ApiError(422, "Invalid", f' "" is invalid: patch: {message}', details)
