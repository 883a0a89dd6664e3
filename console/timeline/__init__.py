"""The append-only record of an incident."""
