"""A clock that is wrong, for a whole interpreter: this directory on PYTHONPATH, GOSSIP_TEST_CLOCK as JSON.

`offset`: seconds by which the wall clock is off. `rate`: how fast both clocks run. `step`: seconds by which the wall
clock jumps back and forth every `every` seconds. Imported by `site`, before anything takes a function out of `time`.
"""

import json
import os
import time

_real_time, _real_monotonic = time.time, time.monotonic
_wrong = {
    "offset": 0.0,
    "rate": 1.0,
    "step": 0.0,
    "every": 1.0,
    **json.loads(os.environ.get("GOSSIP_TEST_CLOCK", "{}")),
}
_began, _began_monotonic = _real_time(), _real_monotonic()


def _monotonic() -> float:
    return _began_monotonic + (_real_monotonic() - _began_monotonic) * _wrong["rate"]


def _time() -> float:
    passed = _monotonic() - _began_monotonic
    is_ahead = int(passed / _wrong["every"]) % 2
    return _began + passed + _wrong["offset"] + _wrong["step"] * is_ahead


time.time, time.monotonic = _time, _monotonic
time.time_ns, time.monotonic_ns = lambda: int(_time() * 1e9), lambda: int(_monotonic() * 1e9)
