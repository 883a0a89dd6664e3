"""The whole product: the real command on a real pseudo-terminal, against the drill's world."""
