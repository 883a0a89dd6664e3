"""The bundled runbooks, as data."""
