"""Widgets that render lines themselves: nothing here lays out, animates or blinks."""
