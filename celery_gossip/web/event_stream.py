"""EventStream: the response with the events of one viewer. Called on the server's event loop."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from celery_gossip.web.operation import EVENT_STREAM

__all__ = ["STREAM_HEADERS", "EventStream"]

#: X-Accel-Buffering keeps nginx from holding events back.
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Closes its generator at the end, even if the client stopped reading, so that the viewer's place becomes free."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], is_admitted: Callable[[], bool]) -> None:
        super().__init__(_chain(first, rest, is_admitted), media_type=EVENT_STREAM, headers=STREAM_HEADERS)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)


async def _chain(
    first: bytes, rest: AsyncGenerator[bytes, None], is_admitted: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield the events until the user's session ends: there is one at every tick, also without a change."""
    yield first
    async for event in rest:
        if not is_admitted():
            return
        yield event
