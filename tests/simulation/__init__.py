"""Deterministic simulation: the real Listener in virtual time with a faulty network, checked by an oracle.

`schedule` lists the events, `world` and `process` execute them, `ear` runs the Listener in the world, `oracle` compares
every step with `truth`, and `run` executes a schedule and minimizes one that fails.
"""
