"""The signals of a board, in full and in words."""

from console.model.signals import Signal, detect
from tests.model.board import NOW, Records


def look(board: Records, previous: tuple[Signal, ...] = (), now: float = NOW) -> tuple[Signal, ...]:
    return detect(board, {signal.key: signal for signal in previous}, now)


def texts(board: Records) -> list[str]:
    return [signal.text.removesuffix(" since 20:26Z") for signal in look(board)]


def names(board: Records) -> list[str]:
    return [signal.name for signal in look(board)]
