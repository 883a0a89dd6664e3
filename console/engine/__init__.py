"""Owns the event loop and its thread: runs the sources, keeps the board, runs mitigations."""
