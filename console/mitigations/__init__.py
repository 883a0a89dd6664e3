"""Model -> the world: plan, execute, verify and undo; one module a system."""
