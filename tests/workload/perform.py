"""Carries out the steps of a plan: sends what is to be sent, through a client app that stamps it."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery, chain, chord, group

from tests.support import eventually
from tests.workload.fleet import Fleet
from tests.workload.history import History
from tests.workload.plan import Canvas, Control, Disturbance, Malformed, Plan, Revocation, Send

__all__ = ["Performer"]

_BEGUN_WITHIN = 3.0  #: seconds for the tasks that a disturbance waits for
_PACE = 60  #: steps after which the workers get some time
_STAMP = "shift"  #: the header by which tasks are revoked


class Performer:
    """Performs plans upon one fleet. `look()` reads the record so far."""

    def __init__(self, app: Celery, producer: Any, fleet: Fleet, look: Callable[[], History]) -> None:
        self.app, self.producer, self.fleet, self.look = app, producer, fleet, look
        self.seed = 0

    def perform(self, plan: Plan) -> None:
        """Every step of the plan, one after another."""
        self.seed = plan.seed
        for number, step in enumerate(plan.steps, 1):
            getattr(self, f"_perform_{type(step).__name__.lower()}")(step)
            if number % _PACE == 0:
                time.sleep(0.3)

    def id_of(self, send: Send) -> str:
        return f"{self.fleet.project.prefix}-{self.seed}-{send.number}"

    def _perform_send(self, send: Send, **more: Any) -> None:
        self.app.send_task(
            f"tests.workload.{send.task}",
            args=(send.seconds,),
            task_id=self.id_of(send),
            producer=self.producer,
            queue=self._queue(send.queue),
            **dict(send.options),
            **more,
        )

    def _perform_canvas(self, canvas: Canvas) -> None:
        first, *_, last = parts = [self._signature(part) for part in canvas.parts]
        shape = canvas.shape
        if shape.startswith("chain"):
            chain(*parts, app=self.app).apply_async()
        elif shape == "group":
            group(parts, app=self.app).apply_async()
        elif shape.startswith("chord"):
            chord(parts[:-1], app=self.app)(last)
        elif shape == "link":
            first.apply_async(link=parts[1:])
        else:
            first.apply_async(link_error=[last])

    def _perform_malformed(self, message: Malformed) -> None:
        headers = {
            "lang": "py",
            "task": "tests.workload.succeed",
            "id": f"{self.seed}-{message.number}",
            "argsrepr": "",
        }
        body: Any = b'[[0.0], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
        content_type = "application/json"
        if message.fault == "undecodable":
            body = b"{neither json nor anything"
        elif message.fault == "unknown_format":
            headers = {}
            body = b'"no task"'
        elif message.fault == "invalid":
            headers["eta"] = "no date"
        else:
            content_type = "application/x-python-serialize"
        self.producer.publish(
            body,
            routing_key=self._queue(message.queue),
            exchange="",
            headers=headers,
            content_type=content_type,
            content_encoding="utf-8",
        )

    def _perform_revocation(self, revocation: Revocation) -> None:
        sends, how = revocation.sends, revocation.how
        ids = [self.id_of(send) for send in sends]
        if how.startswith("terminate"):
            stamped = self._stamped(sends[0]) if how == "terminate_stamp" else {}
            self._perform_send(sends[0], **stamped)
            if not self._have_begun(ids, least=1):
                return
        revoke = partial(self.app.control.revoke, ids)
        if how.endswith("stamp"):
            revoke = partial(self.app.control.revoke_by_stamped_headers, {_STAMP: ids})
        kill = {"terminate": True, "signal": "SIGKILL"} if how.startswith("terminate") else {}
        with self.app.connection_for_write() as connection:
            revoke(connection=connection, **kill)
        if not kill:
            time.sleep(0.2)
            for send in sends:
                self._perform_send(send, **(self._stamped(send) if how == "stamp" else {}))

    def _perform_control(self, control: Control) -> None:
        arguments: dict[str, Any] = {"n": 1}
        if control.method == "rate_limit":
            arguments = {"task_name": "tests.workload.limited", "rate_limit": "40/s"}
        with self.app.connection_for_write() as connection:
            self.app.control.broadcast(control.method, arguments=arguments, connection=connection)

    def _perform_disturbance(self, disturbance: Disturbance) -> None:
        for send in disturbance.busy:
            self._perform_send(send)
        self._have_begun([self.id_of(send) for send in disturbance.busy], least=max(1, len(disturbance.busy) // 4))
        place = self.fleet.places[disturbance.worker]
        if disturbance.what in ("cut", "reset"):
            self.fleet.break_connections(place, disturbance.what)
        else:
            self.fleet.end(place, disturbance.what)

    def _have_begun(self, ids: list[str], least: int) -> bool:
        """Wait until so many of these tasks have begun."""

        def begun() -> None:
            assert len(self.look().began & set(ids)) >= least

        try:
            eventually(begun, timeout=_BEGUN_WITHIN)
        except AssertionError:
            return False
        return True

    def _signature(self, send: Send) -> Any:
        # An errback gets the id of the task that failed.
        args = () if send.task == "errback" else (send.seconds,)
        return self.app.signature(
            f"tests.workload.{send.task}",
            args=args,
            immutable=send.task != "errback",
            options={"queue": self._queue(send.queue), "task_id": self.id_of(send)},
        )

    def _stamped(self, send: Send) -> dict[str, Any]:
        return {"stamped_headers": [_STAMP], _STAMP: self.id_of(send)}

    def _queue(self, queue: str) -> str:
        return f"{self.fleet.project.prefix}_{queue}"
