"""The demo: two workers of the shop on an embedded broker, some traffic, and what is heard of them.

`python -m example_project.demo` (or `make demo`). In a terminal, with Textual, it is the dashboard until q; elsewhere
their gossip as it comes, for 20 s or until Ctrl-C; meanwhile a dashboard for browsers is served on DEMO_PORT (5556, or
a free one). DEMO_SECONDS ends both. BROKER_URL chooses a real broker; without it Kombu's filesystem transport serves,
in a temporary folder that is gone afterwards.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

    from celery_gossip import Listener
    from celery_gossip.messages import Gossip

DURATION = float(os.environ.get("DEMO_SECONDS", "20"))  #: seconds of live output; without end for the dashboard
PAGE_PORT = int(os.environ.get("DEMO_PORT", "5556"))
WORKERS = {"shop1": ["-Q", "default,mail"], "shop2": ["-Q", "mail,reports"]}


def main() -> None:
    """Run the demo; whatever happens, stop the workers and leave nothing behind."""
    _on_signals(signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="celery_gossip_demo_") as folder, contextlib.suppress(KeyboardInterrupt):
        if "BROKER_URL" not in os.environ:
            messages = os.path.join(folder, "messages")
            os.makedirs(os.path.join(messages, "control"))
            os.environ.update(BROKER_URL="filesystem://", BROKER_FOLDER=messages)
        with contextlib.ExitStack() as stack:
            for name, arguments in WORKERS.items():
                stack.enter_context(_worker(name, arguments, folder))
            stack.callback(_on_signals, signal.SIG_IGN)  # a terminal that closes must not end the cleaning up
            _show()


def _on_signals(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _show() -> None:
    """Send traffic, show what is heard, and print the status tables at last."""
    from celery_gossip import Listener
    from celery_gossip.report import status_text
    from example_project import app

    with Listener(app) as listener, _page(listener):
        print(f"Two workers start on {_broker(app)}.", flush=True)
        listener.wait(workers=len(WORKERS), timeout=30)
        with _traffic():
            if _has_dashboard():
                _show_top(listener)
            else:
                _show_lines(app)
        print(f"\n{status_text(listener.view(), listener.findings, listener.throughput())}\n", flush=True)


@contextlib.contextmanager
def _page(listener: "Listener") -> Iterator[None]:
    """The dashboard for browsers, where its extra is installed."""
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        yield
        return
    from celery_gossip.web import Dashboard, WebOptions
    from celery_gossip.web.server import WebServer

    try:
        server = WebServer(Dashboard([listener], WebOptions(port=PAGE_PORT)))
    except OSError:  # that port is taken
        server = WebServer(Dashboard([listener], WebOptions(port=0)))
    with server:
        print(f"The dashboard: {server.url}", flush=True)
        yield


def _broker(app: "Celery") -> str:
    return "an embedded broker" if "BROKER_FOLDER" in os.environ else str(app.connection_for_write().as_uri())


def _has_dashboard() -> bool:
    is_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return is_terminal and importlib.util.find_spec("textual") is not None


def _show_top(listener: "Listener") -> None:
    """The dashboard, until the user has seen enough."""
    from celery_gossip.tui import run_top

    limit = threading.Timer(DURATION, os.kill, (os.getpid(), signal.SIGTERM))
    if "DEMO_SECONDS" in os.environ:
        limit.start()
    try:
        run_top(listener)
    finally:
        limit.cancel()


def _show_lines(app: "Celery") -> None:
    """A line per gossip."""
    from celery_gossip import signals
    from celery_gossip.report import gossip_line

    def on_gossip(sender: object, gossip: "Gossip") -> None:
        print(gossip_line(gossip, time.time()), flush=True)

    print("By queue: active/reserved/scheduled. Ctrl-C ends.\n", flush=True)
    with signals.gossip_received.connected_to(on_gossip, sender=app):
        time.sleep(DURATION)


@contextlib.contextmanager
def _traffic() -> Iterator[None]:
    """Customers, as long as this lasts."""
    is_over = threading.Event()
    traffic = threading.Thread(target=_send_orders, args=(is_over,), daemon=True)
    traffic.start()
    try:
        yield
    finally:
        is_over.set()
        traffic.join(timeout=5)


def _send_orders(is_over: threading.Event) -> None:
    """A customer now and then; a report now and then."""
    from example_project.tasks import build_report, remind, send_mail, take_order

    order_id = 0
    while not is_over.wait(0.35):
        order_id += 1
        take_order.delay(order_id)
        send_mail.delay(order_id)
        if order_id % 4 == 0:
            remind.apply_async((order_id,), countdown=6)
        if order_id % 8 == 0:
            build_report.delay(order_id)


@contextlib.contextmanager
def _worker(name: str, arguments: list[str], folder: str) -> Iterator[None]:
    """A worker process, stopped at the end: warmly if it hurries."""
    command = [sys.executable, "-m", "celery", "-A", "example_project", "worker", "-n", f"{name}@%h", "-c", "2"]
    with open(os.path.join(folder, f"{name}.log"), "ab") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
