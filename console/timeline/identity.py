"""Who records: the person, the machine and this run of the console."""

import os
import pwd
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from console.model.text import clean


class Identity(msgspec.Struct, frozen=True):
    """`user` is the person, as far as the system tells; `origin` holds what that rests on.

    `origin` goes into the first entry of a session: account, sudo user, SSH client, process, boot.
    """

    user: str
    host: str
    session: str
    origin: dict[str, Any] = {}


def current_identity(environ: Mapping[str, str] = os.environ) -> Identity:
    """Return the identity of this process, with a fresh random session id.

    Under sudo the user is the one who called it. Environment variables are no proof of anything: the
    account (from the user id) is recorded beside them.
    """
    account = _account()
    sudo_user = clean(environ.get("SUDO_USER", ""), 64)
    origin: dict[str, Any] = {"account": account, "uid": os.getuid(), "pid": os.getpid()}
    if sudo_user:
        origin["sudo_user"] = sudo_user
    connection = environ.get("SSH_CONNECTION", "") or environ.get("SSH_CLIENT", "")
    if connection:
        origin["ssh_client"] = clean(connection.split(" ")[0], 64)
    boot = _boot_id()
    if boot:
        origin["boot_id"] = boot
    return Identity(
        user=sudo_user if sudo_user and os.getuid() == 0 else account,
        host=clean(socket.gethostname(), 64),
        session=secrets.token_hex(4),
        origin=origin,
    )


def _account() -> str:
    try:
        return clean(pwd.getpwuid(os.getuid()).pw_name, 64)
    except KeyError:  # containers run under user ids that no passwd file knows
        return f"uid-{os.getuid()}"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
