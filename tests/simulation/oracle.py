"""Oracle: knows the true state of a simulated world, and raises Violation if the listener's view contradicts it."""

import re
from typing import Any

from celery_gossip.cluster.cluster import Transition
from celery_gossip.wire.messages import Gossip
from tests.simulation.ear import Ear, Watcher
from tests.simulation.process import Process, Workers
from tests.simulation.truth import CHECK, GONE, LEGAL, MOST_LAG, TOLD, Host, InstanceTruth, Timeouts, reported_state
from tests.simulation.world import STARTS_AT, Parcel, World

_LOOK_AT_ALL = 20  #: iterations between two comparisons of the whole view
_NOTICED = 3.5  #: seconds within which a listener has to detect that it is isolated
_OVER = 6.0  #: seconds within which it has to detect the end: a reconnect within 3 s, an echo within 1 s
_MAX_INSTANCES = 8
_ROUNDING = 1e-6


class Violation(BaseException):
    """The view is wrong. Not an Exception, because a Listener handles those."""


class Oracle(Watcher):
    """Observes every step of an Ear."""

    def __init__(self, world: World, workers: Workers, ear: Ear) -> None:
        self.world = world
        self.workers = workers
        self.cluster: Any = ear.cluster
        self.hearing = ear.hearing
        self.hosts: dict[str, Host] = {}
        self.events: list[tuple[float, str, str]] = []
        self.timeouts = Timeouts(world.schedule, world.now)
        self.is_isolated = False
        self._newest_sent_at = world.now
        self._failed_at = 0.0
        self._taking: Parcel | None = None
        self._told_of: list[str] = []
        self._turns = 0

    def require(self, is_so: object, what: str, *about: object) -> None:
        if not is_so:
            raise Violation(f"{self.world.now - STARTS_AT:.3f}: {what}", *map(_brief, about))

    def failed(self, exc: Exception) -> None:
        self._failed_at = self.world.now
        self.require(isinstance(exc, ConnectionError), "the listener stumbled", exc)

    # An iteration of the loop.

    def attended(self, now: float) -> None:
        self.timeouts.turned(now)
        self.timeouts.waits(now, since=min(self.world.echoes, default=now))
        self._check_isolation(now)
        self._turns += 1
        if len(self.cluster._membership.members) != len(self.hosts):
            self._check_forgotten(now)
        if not self.is_isolated:
            for hostname, host in self.hosts.items():
                self._check_silence(hostname, host, now)
        if self._turns % _LOOK_AT_ALL == 0:
            self.check_view(now)

    def _check_isolation(self, now: float) -> None:
        was_isolated, self.is_isolated = self.is_isolated, self.cluster.isolated_since is not None
        if was_isolated and not self.is_isolated:
            self.timeouts.isolation_ended_at = now
        world = self.world
        if self.hearing.can_publish:
            is_expected = world.is_cut_off or now - self._newest_sent_at >= MOST_LAG
            self.require(self.is_isolated == is_expected, "isolated, or not, against its echoes", self.is_isolated)
            is_deaf = world.deaf_since is not None and now - world.deaf_since > _NOTICED
            self.require(self.is_isolated or not is_deaf, "does not notice that it is deaf")
        is_clear = now - max(world.clear_since, self._failed_at) > _OVER and not world.schedule.loss
        is_steady = not self.timeouts.least_lag(now)
        self.require(not self.is_isolated or not is_clear or not is_steady, "isolated for ever")

    def _check_silence(self, hostname: str, host: Host, now: float) -> None:
        """Require that a worker without reports is suspect, and lost, at the first check after the timeout."""
        if host.state in GONE:
            return
        timeouts = self.timeouts
        slack = timeouts.slack(now)
        speakers = [boot for boot in host.instances.values() if boot.gossip.state != "offline"]
        if host.state != "suspect":
            limit = timeouts.suspect_limit
            due = max((timeouts.silent_since(boot) + limit(boot.gossip.interval) for boot in speakers), default=now)
            self.require(now <= due + slack, "silent, and nobody says so", hostname, host)
        elif (boot := host.instances.get(host.boot)) is not None:
            due = timeouts.silent_since(boot) + timeouts.lost_limit(boot.gossip.interval)
            self.require(now <= due + slack, "silent for long, and not lost", hostname, host)

    def _check_forgotten(self, now: float) -> None:
        for hostname in self.hosts.keys() - self.cluster._membership.members.keys():
            host = self.hosts.pop(hostname)
            schedule = self.world.schedule
            is_due = now - host.told_at > schedule.forget_after and not self.is_isolated
            is_full = len(self.cluster._membership.members) >= schedule.most_workers
            self.require(host.state in GONE and (is_due or is_full), "forgotten before its time", hostname, host)

    # A message is applied.

    def about_to_take(self, parcel: Parcel) -> None:
        self._taking, self._told_of = parcel, []
        if parcel.gossip is not None and not self.is_isolated and self.hearing.can_publish:
            oldest = self.timeouts.turned_at - MOST_LAG - self.world.schedule.delay
            self.require(parcel.sent_at >= oldest - _ROUNDING, "a backlog is taken for fresh", parcel.gossip)

    def took(self, parcel: Parcel) -> None:
        now = self.world.now
        if parcel.gossip is None:
            self._heard_itself(parcel.sent_at, now)
        else:
            self._took_gossip(parcel.gossip, now)
        self._taking = None

    def _heard_itself(self, sent_at: float, now: float) -> None:
        echoes = self.world.echoes
        if sent_at not in echoes:
            return
        self.world.echoes = [other for other in echoes if other > sent_at]
        self.timeouts.was_late(now - sent_at, now)
        if now - sent_at <= MOST_LAG:
            self._newest_sent_at, self.world.is_cut_off = sent_at, False

    def _took_gossip(self, gossip: Gossip, now: float) -> None:
        member = self.cluster._membership.members.get(gossip.hostname)
        if len(self.cluster._membership.members) < len(self.hosts) or member is None:
            self._check_forgotten(now)
        if member is None:
            self._check_refused()
            return
        host = self.hosts.setdefault(gossip.hostname, Host())
        boot = host.instances.get(gossip.boot)
        if gossip.boot not in member.instances.by_boot:
            self.require(len(member._by_boot) == _MAX_INSTANCES, "a boot is refused though there is room")
            self.require(gossip.boot in member.instances._evicted, "a new boot does not enter", gossip)
            host.instances.pop(gossip.boot, None)
        elif boot is None:
            host.instances[gossip.boot] = InstanceTruth(gossip, now, now)
            is_told = gossip.boot in self._told_of or host.state == "conflict" or gossip.state != "online"
            self.require(is_told, "a new boot is not told at once", gossip)
        elif gossip.seq <= boot.gossip.seq:
            self.require(not self._told_of, "an old message changes something", gossip)
        else:
            self._took_newer(host, boot, gossip, now)

    def _took_newer(self, host: Host, boot: InstanceTruth, gossip: Gossip, now: float) -> None:
        if not self.is_isolated:
            if now - boot.fresh_at > self.timeouts.suspect_limit(boot.gossip.interval):
                boot.since = now
            boot.fresh_at = now
        boot.gossip = gossip
        if host.boot != gossip.boot or host.state == "conflict":
            return
        is_shown = host.state == reported_state(gossip) or (self.is_isolated and host.state in ("suspect", "lost"))
        self.require(is_shown, "it is not what it says", host.state, gossip)

    def _check_refused(self) -> None:
        is_full = len(self.cluster._membership.members) == self.world.schedule.most_workers
        self.require(is_full, "refused though there is room")
        self.require(all(host.state not in GONE for host in self.hosts.values()), "refused for one that is gone")

    # A transition.

    def told(self, transition: Transition) -> None:
        now, state, gossip = self.world.now, transition.state, transition.worker.gossip
        self.events.append((now, gossip.hostname, state))
        self._told_of.append(gossip.boot)
        host = self.hosts.setdefault(gossip.hostname, Host())
        self._check_order(host, state, gossip)
        self.require(transition.worker.state == state, "an event and its worker differ", transition)
        if state in TOLD:
            self.require(state == reported_state(gossip), "told is what the worker did not say", state, gossip)
        if state in ("suspect", "lost"):
            self._check_timeouts(host, state, gossip, now)
        if state == "conflict":
            self._check_conflict(gossip.hostname, now)
        host.state, host.boot, host.told_at = state, gossip.boot, now

    def _check_order(self, host: Host, state: str, gossip: Gossip) -> None:
        if host.boot == gossip.boot:
            is_legal = state in LEGAL[host.state]
        elif host.state == "conflict":
            is_legal = state in TOLD or state == "suspect"
        else:
            is_legal = state in TOLD or (state == "conflict" and len(host.instances) > 2)
        self.require(is_legal, f"{state} after {host.state}", gossip, host)
        if self.is_isolated and self._taking is not None:
            is_back = host.boot == gossip.boot and host.state in ("suspect", "lost") and state != "offline"
            self.require(not is_back, f"{state} by a late message after {host.state}", gossip)

    def _check_timeouts(self, host: Host, state: str, gossip: Gossip, now: float) -> None:
        """Require that no timeout is applied to a worker that, as far as is known, reported within it."""
        self.require(self.cluster.isolated_since is None, f"{state} while isolated", gossip)
        timeouts, boot = self.timeouts, host.instances[gossip.boot]
        limit = (timeouts.suspect_limit if state == "suspect" else timeouts.lost_limit)(gossip.interval)
        lag = timeouts.least_lag(now) if self._taking is None else 0.0
        silence = now - timeouts.silent_since(boot)
        self.require(silence > limit + lag - _ROUNDING, f"{state} too early", silence, limit, lag, gossip)
        leaving = self._taking.gossip.boot if self._taking is not None and self._taking.gossip is not None else ""
        for other in host.instances.values():
            is_heard = other.gossip.state != "offline" and other.fresh_at > boot.fresh_at
            is_heard = is_heard and other.gossip.boot != leaving
            is_within = now - other.fresh_at <= timeouts.suspect_limit(other.gossip.interval)
            self.require(not is_heard or not is_within, f"{state} though another boot speaks", gossip, other)

    def _check_conflict(self, hostname: str, now: float) -> None:
        """Require that two processes ran at the same time, for longer than a message may be delayed, and recently."""
        ages = [process for process in self.workers.by_hostname[hostname] if self._seems_alive(process, now)]
        pairs = [(one, other) for one in ages for other in ages if one is not other]
        lasting = (min(self._end(one, now), self._end(other, now)) - other.began_at for one, other in pairs)
        least = min((self.timeouts.suspect_limit(process.interval) for process in ages), default=0.0)
        delay = self.world.schedule.delay
        self.require(any(both > least - 2 * delay for both in lasting), "a conflict of one", hostname)

    def _seems_alive(self, process: Process, now: float) -> bool:
        """Return True if it reported so recently that its timeout may not have expired."""
        limit = self.timeouts.suspect_limit(process.interval) + MOST_LAG + max(self.timeouts.turn, 0.5)
        return (
            self._end(process, now)
            > max(now - limit, self.timeouts.isolation_ended_at - 30) - self.world.schedule.delay - 2
        )

    def _end(self, process: Process, now: float) -> float:
        return now if process.ended_at is None else process.ended_at

    # The whole view.

    def check_view(self, now: float) -> None:
        workers = {worker.gossip.hostname: worker for worker in self.cluster.workers()}
        self.require(workers.keys() == self.hosts.keys(), "the view and its events differ in hostnames")
        for hostname, worker in workers.items():
            host = self.hosts[hostname]
            self.require(worker.state == host.state, "the view and its events differ", worker, host)
            boot = host.instances[worker.gossip.boot]
            self.require(worker.gossip.seq == boot.gossip.seq, "the view is older than what was heard", worker, boot)
            self.require(worker.heard_at == boot.fresh_at, "heard at another time", worker, boot)
            self.require(worker.state == "conflict" or worker.gossip.boot == host.boot, "not the boot told", worker)
            self._check_twins(hostname, host, now)
            self._check_memory(host, now)
        self._check_bounds()

    def _check_twins(self, hostname: str, host: Host, now: float) -> None:
        """Require a conflict for two instances that have reported at the same time for long enough."""
        if self.is_isolated or host.state == "conflict":
            return
        timeouts = self.timeouts
        online = [
            boot for boot in host.instances.values() if boot.gossip.state == "online" and boot.since < boot.fresh_at
        ]
        speaking = [boot for boot in online if now - boot.fresh_at <= timeouts.suspect_limit(boot.gossip.interval)]
        for one in speaking:
            for other in speaking:
                both = min(one.fresh_at, other.fresh_at) - max(one.since, other.since)
                limit = max(timeouts.suspect_limit(boot.gossip.interval) for boot in (one, other))
                is_due = one is not other and both > limit + MOST_LAG + 0.5
                self.require(not is_due, "a conflict that is not told", hostname, one, other)

    def _check_memory(self, host: Host, now: float) -> None:
        due = max(host.told_at + self.world.schedule.forget_after, self.timeouts.isolation_ended_at)
        is_due = host.state in GONE and not self.is_isolated and now > due + CHECK + 2 * max(self.timeouts.turn, 0.2)
        self.require(not is_due, "not forgotten", host)

    def _check_bounds(self) -> None:
        members = self.cluster._membership.members
        self.require(len(members) <= self.world.schedule.most_workers, "too many workers")
        self.require(self.cluster._membership._gone.keys() <= members.keys(), "gone ones that nobody knows")
        self.require(all(len(member._by_boot) <= _MAX_INSTANCES for member in members.values()), "too many boots")
        self.require(len(self.hearing._outstanding) <= 16 and len(self.hearing._lags) <= 100, "hearing grows")

    # The end.

    def conclude(self) -> None:
        """Require that the view is correct after a period without faults."""
        now = self.world.now
        self.check_view(now)
        if not self.is_isolated:
            for hostname, processes in self.workers.by_hostname.items():
                self._check_outcome(hostname, processes, now)

    def _check_outcome(self, hostname: str, processes: list[Process], now: float) -> None:
        slowest = max((process.interval for process in processes), default=1.0)
        changes = [process.ended_at or process.drains_since or process.began_at for process in processes]
        settled_at = max([STARTS_AT + self.world.schedule.calm_at, self.timeouts.isolation_ended_at, *changes])
        grace = max(3.0, 3 * slowest) + MOST_LAG + 4.0
        if now - settled_at <= grace + self.timeouts.lost_limit(slowest) or self.world.schedule.most_workers < 10:
            return
        living = [process for process in processes if process.ended_at is None]
        host = self.hosts.get(hostname)
        if living:
            self._check_living(hostname, host, living)
        elif host is not None:
            self.require(host.state in GONE, "dead, and not gone", hostname, host)

    def _check_living(self, hostname: str, host: Host | None, living: list[Process]) -> None:
        self.require(host is not None, "alive, and unknown", hostname)
        assert host is not None
        if len(living) > 1:
            self.require(host.state == "conflict", "several live, and no conflict is told", hostname, host)
        else:
            is_right = (host.state, host.boot) == (living[0].state, living[0].boot)
            self.require(is_right, "alive, and shown otherwise", hostname, host, living[0])


def _brief(thing: object) -> str:
    return re.sub(
        r"Gossip\(.*?hostname=(.*?), boot=(.*?), seq=(\d+).*?state=(.*?), .*?omitted=0\)", r"<\1 \2 \3 \4>", f"{thing}"
    )
