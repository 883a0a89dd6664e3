"""The screens: the console itself, and what opens over it."""
