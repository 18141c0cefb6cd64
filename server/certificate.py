"""Certificates made on the spot, so that nobody on the way can read what a connection carries."""

import ssl

import trustme


class Certificate:
    """A certificate for this computer, and the authority that vouches for it, both made just now.

    Attributes:
        hosts: The names and addresses that it is for, such as ``127.0.0.1``.
    """

    def __init__(self, *hosts: str) -> None:
        """Make both. It takes a few milliseconds.

        Args:
            hosts: The names and addresses of the server; by default those of the loopback.
        """
        self.hosts = hosts or ("127.0.0.1", "localhost")
        self._authority = trustme.CA(organization_name="WebSocket course")
        self._issued = self._authority.issue_cert(*self.hosts)

    def for_server(self) -> ssl.SSLContext:
        """Return what `serve(ssl=…)` takes: the certificate with its secret key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._issued.configure_cert(context)
        return context

    def for_client(self) -> ssl.SSLContext:
        """Return what `connect(ssl=…)` takes: trust in this authority, besides the usual ones."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context
