"""The world -> model: each source reads one system and can only read."""
