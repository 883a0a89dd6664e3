"""What the console knows: immutable records and pure functions, no I/O."""
