"""Expansion of %n, %h and %d in the path of a worker's file. Main thread, at start."""

from celery_gossip.worker._compat.names import find

__all__ = ["expand_node_format"]


def expand_node_format(path: str, hostname: str) -> str:
    """Return `path` with `%n`, `%h` and `%d` replaced, as in Celery's --pidfile.

    Raises ValueError for other formats.
    """
    node_format = find("celery.utils.nodenames:node_format")
    if node_format is not None:
        return str(node_format(path, hostname))
    name, _, host = hostname.rpartition("@")
    values = {"%h": hostname, "%n": name, "%d": host.partition(".")[2], "%%": "%"}
    parts = path.split("%")
    done = parts.pop(0)
    while parts:
        part = parts.pop(0)
        if not part and parts:  # "%%"
            part = parts.pop(0)
            done += f"%{part}"
            continue
        if f"%{part[:1]}" not in values:
            raise ValueError(f"unsupported format character in {path!r}")
        done += values[f"%{part[:1]}"] + part[1:]
    return done
