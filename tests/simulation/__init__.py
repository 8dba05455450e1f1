"""A deterministic simulation: the real Listener in virtual time, a bad network, an oracle that knows all.

`schedule` says what happens, `world` and `process` let it happen, `ear` puts the Listener into it, `oracle` judges
every step by `truth`, `run` does a schedule and cuts a failing one down.
"""
