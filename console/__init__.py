"""Warroom: a full-screen terminal console for people in a production incident."""
