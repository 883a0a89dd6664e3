"""All benchmarks, in the order of the table."""

from __future__ import annotations

from tests.perf import hour, link, logs, parts, record, rivals, starts, work
from tests.perf.stage import Benchmark

BENCHMARKS = (
    Benchmark("commands", "command", starts.commands),
    Benchmark("starts", "start", starts.starts, sized=True),
    Benchmark("work", "at work", work.at_work, sized=True),
    Benchmark("clock", "one healthy namespace", work.clock_only),
    Benchmark("stock", "at work, written by Textual alone", work.stock_writer, sized=True),
    Benchmark("link", "slow link", link.throttled),
    Benchmark("logs", "logs of 20 pods followed at 5,000 lines a second", logs.followed),
    Benchmark("hour", "an hour of an incident", hour.hour, slow=True),
    Benchmark("appending", "timeline", record.appending),
    Benchmark("record", "timeline of 100,000 entries", record.long_record),
    Benchmark("rivals", "beside kubectl and k9s, pods of all namespaces", rivals.rivals, slow=True),
    Benchmark("parts", "parts", parts.parts),
)
