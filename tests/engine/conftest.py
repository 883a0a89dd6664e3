"""Fixtures of the observer's tests."""

from tests.engine.observing import clock, console

__all__ = ["clock", "console"]
