"""The demo: two workers of the shop on an embedded broker, some traffic, and their gossip as it comes.

`python -m example_project.demo` (or `make demo`). Lasts 20 s or until Ctrl-C. BROKER_URL chooses a real broker; without
it Kombu's filesystem transport serves, in a temporary folder that is gone afterwards.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

DURATION = float(os.environ.get("DEMO_SECONDS", "20"))  #: seconds of live output
WORKERS = {"shop1": ["-Q", "default,mail"], "shop2": ["-Q", "mail,reports"]}


def main() -> None:
    """Run the demo; whatever happens, stop the workers and leave nothing behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="celery_gossip_demo_") as folder, contextlib.suppress(KeyboardInterrupt):
        if "BROKER_URL" not in os.environ:
            messages = os.path.join(folder, "messages")
            os.makedirs(os.path.join(messages, "control"))
            os.environ.update(BROKER_URL="filesystem://", BROKER_FOLDER=messages)
        with contextlib.ExitStack() as stack:
            for name, arguments in WORKERS.items():
                stack.enter_context(_worker(name, arguments, folder))
            _show()


def _show() -> None:
    """Send traffic, and print a line per gossip and at last the status tables."""
    from celery_gossip import Listener, signals
    from celery_gossip.report import gossip_line, status_text
    from example_project import app

    def on_gossip(sender: object, gossip: object) -> None:
        print(gossip_line(gossip, time.time()), flush=True)

    broker = "an embedded broker" if "BROKER_FOLDER" in os.environ else app.connection_for_write().as_uri()
    print(f"Two workers on {broker}; by queue: active/reserved/scheduled. Ctrl-C ends.\n", flush=True)
    is_over = threading.Event()
    traffic = threading.Thread(target=_send_orders, args=(is_over,), daemon=True)
    with Listener(app) as listener, signals.gossip_received.connected_to(on_gossip, sender=app):
        try:
            listener.wait(workers=len(WORKERS), timeout=30)
            traffic.start()
            is_over.wait(DURATION)
            print(f"\n{status_text(listener.cluster.workers())}\n", flush=True)
        finally:
            is_over.set()
            if traffic.is_alive():
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
