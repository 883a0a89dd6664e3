"""PostgreSQL 12 to 18 -> the board: one kept connection and fixed SELECT statements."""

from console.sources.postgres.source import PostgresSource

__all__ = ["PostgresSource"]
