"""TaskRow: a task that runs, or that waits in a worker. Pure."""

from celery_gossip.cluster.task_view import TaskView, WaitingView

__all__ = ["TASK_STATES", "TaskRow", "state_of"]

TaskRow = TaskView | WaitingView

TASK_STATES = ("running", "reserved", "limited", "scheduled")  #: in the order in which they are sorted


def state_of(task: TaskRow) -> str:
    """Return one of TASK_STATES."""
    return "running" if isinstance(task, TaskView) else task.state
