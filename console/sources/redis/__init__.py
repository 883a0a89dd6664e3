"""Redis 5 and later -> the board: one connection and an allow-list of commands that read."""

from console.sources.redis.source import RedisSource

__all__ = ["RedisSource"]
