"""Private brokers that are reached by TLS alone, with a certificate that an authority of the test's own has signed."""

from pathlib import Path

import trustme

from tests.support.brokers import PrivateBroker, PrivateRabbitMQ, PrivateRedis, require_server

__all__ = ["Authority", "TlsRabbitMQ", "TlsRedis", "private_tls"]


class Authority:
    """Files in `folder`: its own certificate, and that of 127.0.0.1 with its key."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost")
        self.certificate = folder / "authority.pem"
        self.server = folder / "server.pem"
        self.key = folder / "key.pem"
        authority.cert_pem.write_to_path(self.certificate)
        server.cert_chain_pems[0].write_to_path(self.server)
        server.private_key_pem.write_to_path(self.key)


class TlsRedis(PrivateRedis):
    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.url = f"rediss://127.0.0.1:{self.port}/0"

    def _listening(self) -> list[str]:
        files = {"cert": self._authority.server, "key": self._authority.key, "ca-cert": self._authority.certificate}
        named = [part for name, path in files.items() for part in (f"--tls-{name}-file", str(path))]
        return ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", *named]


class TlsRabbitMQ(PrivateRabbitMQ):
    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self.url = f"amqps://guest:guest@127.0.0.1:{self.port}//"

    def _listening(self) -> str:
        return (
            "listeners.tcp = none\n"
            f"listeners.ssl.default = 127.0.0.1:{self.port}\n"
            f"ssl_options.cacertfile = {self._authority.certificate}\n"
            f"ssl_options.certfile = {self._authority.server}\n"
            f"ssl_options.keyfile = {self._authority.key}\n"
            "ssl_options.verify = verify_none\n"
        )


def private_tls(kind: str, authority: Authority) -> PrivateBroker:
    """See brokers.private."""
    require_server(kind)
    return TlsRedis(authority) if kind == "redis" else TlsRabbitMQ(authority)
