"""Warroom: a full-screen terminal console for people in a production incident."""

__version__ = "0.1.0"
