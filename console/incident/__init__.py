"""The incident itself: record, severity, clocks, phases, communication."""
