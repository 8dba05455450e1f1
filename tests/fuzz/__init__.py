"""Hostile bytes: whatever a stranger publishes is a gossip, an echo, or one rejection with a known reason.

Each target (target.py) is a promise about any bytes. Hypothesis tries some in every run of the tests, the program
(`python -m tests.fuzz TARGET`) as many as there is time for, guided by what they reach.
"""
