"""Rules about the listener itself, and about messages that it rejects. Pure. Called through rules.py."""

from collections.abc import Iterator

from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput

__all__ = ["isolated", "mixed_versions", "nobody_heard", "wrong_signature"]

_NO_REPORT_FOR = 5.0  #: seconds of listening without any report


def isolated(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report that the listener is isolated. To be called only for a view that is isolated."""
    error = f": {inputs.broker_error}" if inputs.broker_error else ""
    text = (
        f"This listener does not receive its own messages on {inputs.source}{error}. Until it does, the view is frozen "
        "and no worker is reported as lost. Check that the broker is running and that this host can reach it."
    )
    yield PendingFinding("isolated", CRITICAL, "listener", text)


def nobody_heard(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report that no worker reports."""
    if not inputs.view.workers and inputs.listening_for >= _NO_REPORT_FOR:
        text = (
            f"No worker reports on {inputs.source}. Check that a worker is running, that it uses this broker and "
            f"exchange, and that gossip is installed in it: `celery_gossip.install(app)`.{_rejections(inputs)}"
        )
        yield PendingFinding("nobody_heard", CRITICAL, "listener", text)


def mixed_versions(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report messages in another version of the wire format."""
    if "version" in inputs.recent_rejections:
        text = (
            "This listener rejects messages in another version of the gossip format "
            f"({inputs.recent_rejections['version']}), so their senders are not shown. Use the same version of "
            "celery-gossip on all workers and listeners."
        )
        yield PendingFinding("mixed_versions", WARNING, "listener", text)


def wrong_signature(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report messages with a signature that does not match any key of this listener."""
    if "signature" in inputs.recent_rejections:
        text = (
            "This listener rejects messages with an invalid signature, so their senders are not shown. Set "
            "gossip_secret to the same value on all workers and listeners of this exchange. If it is the same "
            "everywhere, a client is forging messages: see SECURITY.md."
        )
        yield PendingFinding("wrong_signature", WARNING, "listener", text)


def _rejections(inputs: RuleInput) -> str:
    """Return a sentence on the messages that were rejected, or an empty string."""
    if not inputs.rejected_total:
        return ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(inputs.rejected_total.items()))
    fix = " Set this listener's gossip_secret on the workers, too." if "unsigned" in inputs.rejected_total else ""
    return f" Messages that arrived but were rejected: {reasons}.{fix}"
