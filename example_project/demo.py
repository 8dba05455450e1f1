"""Demo: two workers of the shop on an embedded broker, some traffic, and their reports.

`python -m example_project.demo` (or `make demo`). In a terminal with Textual it shows the terminal dashboard until `q`
is pressed; otherwise it prints reports for 20 s or until Ctrl-C. Meanwhile a dashboard for browsers is served on
DEMO_PORT (5556, or a free port). DEMO_SECONDS limits the duration of both. BROKER_URL selects a real broker; without it
the demo uses Kombu's filesystem transport in a temporary folder, which is removed afterwards.
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
    from celery_gossip.wire.messages import Gossip

DURATION = float(os.environ.get("DEMO_SECONDS", "20"))  #: seconds; the terminal dashboard is unlimited by default
PAGE_PORT = int(os.environ.get("DEMO_PORT", "5556"))
WORKERS = {"shop1": ["-Q", "default,mail"], "shop2": ["-Q", "mail,reports"]}


def main() -> None:
    """Run the demo; stop the workers and remove all files at the end, also after an error."""
    _on_signals(signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="celery_gossip_demo_") as folder, contextlib.suppress(KeyboardInterrupt):
        if "BROKER_URL" not in os.environ:
            messages = os.path.join(folder, "messages")
            os.makedirs(os.path.join(messages, "control"))
            os.environ.update(BROKER_URL="filesystem://", BROKER_FOLDER=messages)
        with contextlib.ExitStack() as stack:
            for name, arguments in WORKERS.items():
                stack.enter_context(_worker(name, arguments, folder))
            stack.callback(_on_signals, signal.SIG_IGN)  # a closed terminal must not interrupt the cleanup
            _show()


def _on_signals(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _show() -> None:
    """Send tasks, show the reports, and print the status tables at the end."""
    from celery_gossip import Listener
    from celery_gossip.console.status import status_text
    from example_project import app

    with Listener(app) as listener, _page(listener):
        print(f"Starting two workers on {_broker(app)}.", flush=True)
        listener.wait(workers=len(WORKERS), timeout=30)
        with _traffic():
            if _has_dashboard():
                _show_top(listener)
            else:
                _show_lines(app)
        print(f"\n{status_text(listener.view(), listener.findings, listener.throughput())}\n", flush=True)


@contextlib.contextmanager
def _page(listener: "Listener") -> Iterator[None]:
    """Serve the dashboard for browsers while the context is entered, if its extra is installed."""
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        yield
        return
    from celery_gossip.web import Dashboard, WebOptions
    from celery_gossip.web.server import WebServer

    try:
        server = WebServer(Dashboard([listener], WebOptions(port=PAGE_PORT)))
    except OSError:  # the port is in use
        server = WebServer(Dashboard([listener], WebOptions(port=0)))
    with server:
        print(f"Dashboard: {server.url}", flush=True)
        yield


def _broker(app: "Celery") -> str:
    return "an embedded broker" if "BROKER_FOLDER" in os.environ else str(app.connection_for_write().as_uri())


def _has_dashboard() -> bool:
    is_terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return is_terminal and importlib.util.find_spec("textual") is not None


def _show_top(listener: "Listener") -> None:
    """Show the terminal dashboard until the user quits."""
    from celery_gossip.tui import run_top

    limit = threading.Timer(DURATION, os.kill, (os.getpid(), signal.SIGTERM))
    if "DEMO_SECONDS" in os.environ:
        limit.start()
    try:
        run_top(listener)
    finally:
        limit.cancel()


def _show_lines(app: "Celery") -> None:
    """Print one line per report."""
    from celery_gossip import signals
    from celery_gossip.console.line import gossip_line

    def on_gossip(sender: object, gossip: "Gossip") -> None:
        print(gossip_line(gossip, time.time()), flush=True)

    print("Reports, by queue: active/reserved/scheduled. Press Ctrl-C to quit.\n", flush=True)
    with signals.gossip_received.connected_to(on_gossip, sender=app):
        time.sleep(DURATION)


@contextlib.contextmanager
def _traffic() -> Iterator[None]:
    """Send tasks while the context is entered."""
    from example_project.traffic import send_orders

    stop = threading.Event()
    traffic = threading.Thread(target=send_orders, args=(stop,), daemon=True)
    traffic.start()
    try:
        yield
    finally:
        stop.set()
        traffic.join(timeout=5)


@contextlib.contextmanager
def _worker(name: str, arguments: list[str], folder: str) -> Iterator[None]:
    """Run a worker process; stop it at the end, by SIGKILL if a warm shutdown takes more than 10 s."""
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
