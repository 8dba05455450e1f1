"""A pytest plugin for runs that are expected to fail: Hypothesis is deterministic, and does not shrink examples."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "quick",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quick")
