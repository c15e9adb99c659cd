"""The storm, computed: a discrete-event simulation under the storm's own load and policies.

Each remedy is what storm/policy.py says it is, and each request what storm/load.py draws, for the same seed the same
ones. Time is simulated: nothing here waits, dials or reads a clock.
"""
