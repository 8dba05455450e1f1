"""A control session without a broker: Celery's remote control is a fake that replies at once or when it is told to."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from celery_gossip.control.command import PERMISSIONS
from celery_gossip.control.control import Control, ControlTarget
from celery_gossip.tui.control_session import ControlSession
from tests.tui.stage import FakeSource


class FakeRemote:
    """Celery's remote control, as far as commands use it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any], list[str]]] = []
        self.purged: list[str] = []
        self.threads: list[str] = []
        self.error: Exception | None = None
        self.may_reply = threading.Event()
        self.may_reply.set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def send(*, destination: list[str], **options: Any) -> list[dict[str, Any]]:
            self.threads.append(threading.current_thread().name)
            assert self.may_reply.wait(30)
            if self.error is not None:
                raise self.error
            arguments = {key: value for key, value in options.items() if key not in ("reply", "timeout", "connection")}
            self.sent.append((name, arguments, destination))
            return [{host: {"ok": f"{name} done"}} for host in destination]

        return send

    def purge(self, queue: str) -> int:
        self.purged.append(queue)
        return 12


class FakeApp:
    """A Celery app, as far as commands use it."""

    def __init__(self) -> None:
        self.control = FakeRemote()


def a_session(source: FakeSource, *permissions: str, user: str = "ann") -> tuple[ControlSession, FakeRemote]:
    """Return a session with these permissions, or with all, and the fake that receives its commands."""
    app = FakeApp()
    target = ControlTarget(
        app=app,
        connect=lambda: nullcontext(object()),
        view=source.view,
        knows_queue=lambda queue: False,
        purge=app.control.purge,
    )
    return ControlSession(Control({"0": target}, frozenset(permissions or PERMISSIONS)), user), app.control
