"""`mute://`: a transport that works but cannot fan out, as SQS cannot; folders as for the filesystem's."""

from kombu.transport import TRANSPORT_ALIASES, filesystem


class Channel(filesystem.Channel):
    supports_fanout = False


class Transport(filesystem.Transport):
    Channel = Channel
    implements = filesystem.Transport.implements.extend(exchange_type=frozenset(["direct", "topic"]))
    driver_type = driver_name = "mute"


TRANSPORT_ALIASES["mute"] = f"{__name__}:Transport"
