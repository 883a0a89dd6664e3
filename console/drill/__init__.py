"""The simulated world: what a drill breaks and a team practises on."""
