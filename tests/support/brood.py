"""Children that need every lock there is, as soon as they are born, and a sender that takes them: GOSSIP_TEST_IMPORT.

GOSSIP_TEST_BROOD names a folder: `born` grows by a byte per fork of the worker, `grown` by one per child that got
through all of it, `stacks` says where others hang. The sender's thread needs the same locks at each publish;
GOSSIP_TEST_HELD are the seconds for which it holds that of a stream: whoever is forked meanwhile finds it taken for
ever. GOSSIP_TEST_UNLOCKED lets the thread work during forks. Imported by the project.
"""

import faulthandler
import importlib
import io
import json
import logging
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init
from celery.worker.control import control_command

from celery_gossip.fork_lock import ForkLock
from celery_gossip.transport.publisher import Publisher
from tests.support.project import app

FOLDER = Path(os.environ["GOSSIP_TEST_BROOD"])
HANGS_AFTER = 3.5  #: seconds; billiard kills one that is not up after four
HUNG = 10.0  #: seconds after which a child that has not grown up never will
HELD = float(os.environ.get("GOSSIP_TEST_HELD", "0"))
UNSEEN = ("colorsys", "chunk", "wave", "sndhdr", "this_is_not_there")  # modules that nobody has imported yet

born = os.open(FOLDER / "born", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
grown = os.open(FOLDER / "grown", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


class Slow(io.RawIOBase):
    """A file that takes its time, with the lock of its buffer held."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if os.getpid() == WORKER and HELD:
            time.sleep(HELD)
        return len(data)


stacks = (FOLDER / "stacks").open("a")
WORKER = os.getpid()

log = logging.getLogger("tests.brood")
log.propagate = False
log.addHandler(logging.StreamHandler(open(os.devnull, "w")))
stream = io.BufferedWriter(Slow())
publish = Publisher.publish


def publish_and_write(self: Publisher, body: bytes) -> bool:
    write()
    return publish(self, body)


def write() -> None:
    stream.write(b".")
    stream.flush()
    log.critical("%s", json.dumps({"pid": os.getpid()}))


def need_every_lock() -> None:
    """Those of streams, of logging, of the import system; and those of the C library, by a look-up of a name."""
    write()
    socket.getaddrinfo("localhost", 80)
    for module in UNSEEN:
        try:
            importlib.import_module(module)
        except ImportError:
            continue


@worker_process_init.connect
def grow_up(**_: Any) -> None:
    faulthandler.dump_traceback_later(HANGS_AFTER, file=stacks)
    need_every_lock()
    faulthandler.cancel_dump_traceback_later()
    os.write(grown, b".")


@control_command()
def fork(state: Any, n: int = 1) -> dict[str, str]:
    """Fork as the pool does, on the worker's main thread; the children do no more than grow up."""
    pids = {give_birth() for _ in range(n)}
    give_up_at = time.monotonic() + HUNG
    while pids and time.monotonic() < give_up_at:
        pids = {pid for pid in pids if os.waitpid(pid, os.WNOHANG) == (0, 0)}
        time.sleep(0.001)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return {"ok": f"{len(pids)} hung"}


def give_birth() -> int:
    pid = os.fork()
    if pid == 0:
        try:
            grow_up()
        finally:
            os._exit(0)
    return pid


@app.task
def crash(how: str) -> None:
    """End this child as a bug in C, or the machine's lack of memory, does."""
    if how == "exit":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGKILL)


Publisher.publish = publish_and_write  # type: ignore[method-assign]
os.register_at_fork(after_in_parent=lambda: os.write(born, b"."))
if os.environ.get("GOSSIP_TEST_UNLOCKED"):
    ForkLock.acquire_at_forks = lambda self: None  # type: ignore[method-assign]
