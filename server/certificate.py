"""Certificates, so that nobody on the way can read what a connection carries.

One made on the spot is known to nobody. So the join link brings its fingerprint: a kernel that
joins compares it with what the server shows, and trusts that one certificate and no other.
"""

import asyncio
import hmac
import ssl
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

# The certificates that this kernel trusts, by the host and the port that show them.
_known: dict[tuple[str, int], ssl.SSLContext] = {}


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
        import trustme  # Only who encrypts needs it, and it takes a while.

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

    @property
    def der(self) -> bytes:
        """The certificate as the server shows it."""
        return ssl.PEM_cert_to_DER_cert(self._issued.cert_chain_pems[0].bytes().decode())


class CertificateFiles:
    """A certificate and its secret key in two PEM files, such as a school may have."""

    def __init__(self, certificate: str, key: str) -> None:
        """Read both.

        Raises:
            ValueError: If they are not such files, or do not belong together.
        """
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self._context.load_cert_chain(certificate, key)
            text = Path(certificate).read_text(encoding="utf-8")
            end = "-----END CERTIFICATE-----"
            first = text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)]
            self.der = ssl.PEM_cert_to_DER_cert(first)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ValueError(
                f"{certificate} and {key} are no certificate with its key: {error}. Expected two "
                "files in PEM format, the certificate first."
            ) from None

    def for_server(self) -> ssl.SSLContext:
        """Return what `serve(ssl=…)` takes: the certificate with its secret key."""
        return self._context


def fingerprint_of(der: bytes) -> str:
    """Return what tells a certificate from all others: its SHA-256, as a link can hold it."""
    return urlsafe_b64encode(sha256(der).digest()).decode().rstrip("=")


def trust(host: str, port: int, der: bytes) -> None:
    """Trust one certificate from now on, and only this one, if that host shows it on that port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the very certificate is known, whatever names it has
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # without the one who issued it
    context.load_verify_locations(cadata=der)
    _known[host, port] = context


def context_for(url: str) -> ssl.SSLContext | None:
    """Return what `connect(ssl=…)` takes for an address; None if it is not encrypted."""
    parts = urlsplit(url)
    if parts.scheme not in {"wss", "https"}:
        return None
    return _known.get((parts.hostname, parts.port or 443)) or ssl.create_default_context()


async def fetch(host: str, port: int, within: float) -> bytes:
    """Return the certificate that a server shows. Nothing else is said or believed.

    Args:
        host: The name or the address of the server.
        port: Its TCP port.
        within: How long to wait for it, in seconds.

    Raises:
        OSError: If there is none to be had.
        TimeoutError: If it takes longer.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(within):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()


async def trust_by_fingerprint(host: str, port: int, fingerprint: str, within: float = 5.0) -> None:
    """Trust the certificate that a server shows, if it has this fingerprint.

    Args:
        host: The name or the address of the server.
        port: Its TCP port.
        fingerprint: What the join link says, see `fingerprint_of`.
        within: How long to wait for it, in seconds.

    Raises:
        ssl.SSLCertVerificationError: If it has another one.
        OSError: If there is none to be had.
        TimeoutError: If it takes longer.
    """
    der = await fetch(host, port, within)
    if not hmac.compare_digest(fingerprint_of(der).encode(), fingerprint.encode()):
        raise ssl.SSLCertVerificationError(
            f"{host}:{port} shows another certificate than the link says. Either the server was "
            "started anew, and you need the link of now, or somebody is between you and it."
        )
    trust(host, port, der)
