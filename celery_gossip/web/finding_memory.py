"""FindingMemory: the findings of each worker, for a while after they are gone. Used on the Broadcaster's thread.

When a worker is lost, what was wrong with it before is of interest, and the listener does not report it any more.
"""

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding

__all__ = ["FindingMemory", "SeenFinding"]

_KEPT = 60.0  #: seconds after a finding was seen last; of a worker that is gone it is kept until the worker is removed
_MAX_OF_WORKER = 20

SeenFinding = tuple[Finding, float]  #: a finding, and the monotonic time when it was seen last


class FindingMemory:
    """Findings by hostname, the latest 20 of each."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, SeenFinding]] = {}

    def update(self, view: View, findings: tuple[Finding, ...], now: float) -> dict[str, tuple[SeenFinding, ...]]:
        """Add these findings, and return `{hostname: findings}`, of workers in the view."""
        for finding in findings:
            if finding.since <= now and view.worker(finding.subject) is not None:
                self._seen.setdefault(finding.subject, {})[finding.kind] = (finding, now)
        for hostname in list(self._seen):
            kept = self._kept(hostname, view.worker(hostname), now)
            if kept:
                self._seen[hostname] = kept
            else:
                del self._seen[hostname]
        return {hostname: tuple(seen.values()) for hostname, seen in self._seen.items()}

    def _kept(self, hostname: str, worker: WorkerView | None, now: float) -> dict[str, SeenFinding]:
        if worker is None:
            return {}
        seen = self._seen[hostname]
        if not worker.is_gone and worker.state != "suspect" and worker.replaced is None:
            seen = {kind: one for kind, one in seen.items() if now - one[1] <= _KEPT}
        return dict(list(seen.items())[-_MAX_OF_WORKER:])
