"""What is wrong with each kind of system, as findings: pure functions over the latest snapshots.

A finding says what is seen now. ``console.model.signals`` makes signals of findings: they begin above a
threshold, keep their beginning, and end only after two quiet rounds.
"""
