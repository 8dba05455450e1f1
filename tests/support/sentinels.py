"""A Redis with a replica, and three Sentinels that put it in its place: all private, for tests that kill the master."""

import subprocess
import time
from contextlib import AbstractContextManager, ExitStack

from redis import Redis

from tests.support.brokers import PrivateBroker, PrivateRedis
from tests.support.waiting import eventually

MASTER = "gossip"
DOWN_AFTER = 1000  #: ms of silence after which a Sentinel thinks that the master is down

_CONF = """port {port}
bind 127.0.0.1
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} {down_after}
sentinel failover-timeout {name} 10000
"""


class Sentinel(PrivateBroker):
    """Watches a master."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._master = master

    def start(self) -> None:
        conf = self.folder / "sentinel.conf"
        conf.write_text(_CONF.format(port=self.port, name=MASTER, master=self._master, down_after=DOWN_AFTER))
        self.process = subprocess.Popen(
            ["redis-server", str(conf), "--sentinel"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._await(timeout=10)


class Sentinels(AbstractContextManager["Sentinels"]):
    """The five processes, started when entered; `url` and `options` are what Celery wants to know."""

    def __init__(self) -> None:
        self.options = {"master_name": MASTER}  #: transport options
        self._servers = [PrivateRedis(), PrivateRedis()]
        self._sentinels = [Sentinel(self._servers[0].port) for _ in range(3)]
        self._stack = ExitStack()

    def __enter__(self) -> "Sentinels":
        for broker in (*self._servers, *self._sentinels):
            self._stack.callback(broker.close)
        master, replica = self._servers
        master.start()
        self._begin_to_follow(replica, master)
        for sentinel in self._sentinels:
            sentinel.start()
        eventually(self._assert_ready, timeout=20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return ";".join(f"sentinel://127.0.0.1:{sentinel.port}/0" for sentinel in self._sentinels)

    def fail_over(self) -> tuple[float, float]:
        """kill -9 the master; when it was killed, and when a Sentinel named another, monotonic seconds."""
        master = next(server for server in self._servers if server.port == self._master_port())
        killed_at = time.monotonic()
        master.kill()

        def is_named() -> None:
            assert self._master_port() != master.port, "the replica was not promoted"

        eventually(is_named, timeout=30)
        return killed_at, time.monotonic()

    def restore(self) -> None:
        """The dead server comes back as the replica of the other."""
        dead = next(server for server in self._servers if server.process is None)
        master = next(server for server in self._servers if server is not dead)
        self._begin_to_follow(dead, master)
        eventually(self._assert_ready, timeout=30)

    def _begin_to_follow(self, replica: PrivateRedis, master: PrivateRedis) -> None:
        replica.start()
        with Redis(port=replica.port) as client:
            client.replicaof("127.0.0.1", master.port)

    def _master_port(self) -> int:
        with Redis(port=self._sentinels[0].port) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def _assert_ready(self) -> None:
        """Each Sentinel knows the others and a replica that follows."""
        for sentinel in self._sentinels:
            with Redis(port=sentinel.port, decode_responses=True) as client:
                master = client.sentinel_master(MASTER)
                assert (master["num-other-sentinels"], master["num-slaves"]) == (2, 1), master
                (replica,) = client.sentinel_slaves(MASTER)
                assert replica["master-link-status"] == "ok", replica
