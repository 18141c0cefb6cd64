"""A class whose connections are encrypted: whom a kernel trusts, and what goes in the clear."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect

from client import ChatClient
from server import join, start
from server.certificate import context_for, fingerprint_of
from server.link import Link
from tests.test_class import AWAY, EVERYWHERE, HERE, in_a_terminal
from tests.wire import guests, hear, say, serving, within


async def ask_in_secret(link: Link, path: str) -> str:
    """Return the head of the answer to a request, whatever the certificate is."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    reader, writer = await within(asyncio.open_connection(link.host, link.port, ssl=anybody))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {link.place}\r\n\r\n".encode())
    head = (await within(reader.readuntil(b"\r\n\r\n"))).decode()
    writer.close()
    return head


async def test_a_class_in_secret():
    async with serving("chat", host=EVERYWHERE, tls=True) as server:
        link = server.link
        assert server.url == f"wss://{HERE}:{server.port}"
        assert str(link).startswith(f"https://{AWAY}:{server.port}/?token={link.token}#")
        ada = ChatClient(server, "Ada")  # this kernel knows its own certificate
        bob = ChatClient(await within(join(str(link))), "Bob")
        await bob.until(lambda: bob.users == ["Ada", "Bob"])
        assert await start("chat") is server and server.link == link
        if AWAY != HERE:
            assert " 401 " in await ask_in_secret(link, "/")
        first = await ask_in_secret(link, f"/?token={link.token}")
        if AWAY != HERE:
            assert " 303 " in first and "; Secure\r\n" in first
        for client in (ada, bob):
            client.close()
            await within(client.wait_closed())


async def test_nothing_is_said_in_the_clear():
    async with serving("chat", tls=True) as server:
        reader, writer = await within(asyncio.open_connection(HERE, server.port))
        writer.write(f"GET /about HTTP/1.1\r\nHost: {HERE}:{server.port}\r\n\r\n".encode())
        try:
            answer = await within(reader.read())
        except ConnectionResetError:
            answer = b""
        assert b"HTTP" not in answer and b"chat" not in answer
        writer.close()
        # Who says nothing at all does not keep the server from stopping.
        _, silent = await within(asyncio.open_connection(HERE, server.port))
        await within(server.stop(), 5)
        silent.close()


async def test_whoever_does_not_trust_the_certificate_is_warned():
    async with serving("chat", host=EVERYWHERE, tls=True) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(connect(server.url, proxy=None, ssl=ssl.create_default_context()))
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            # Never joined by a link that has the fingerprint: nothing is known of it.
            await within(join(str(replace(server.link, fingerprint="", host="localhost"))))


async def test_somebody_between_is_noticed_before_the_token_is_told():
    """The link has another certificate's fingerprint, as if another server answered in its name."""
    async with serving("chat", host=EVERYWHERE, tls=True) as server:
        asked = []
        server._answer_request = lambda *request: asked.append(request)
        for wrong in ("x", fingerprint_of(b"another"), server.link.fingerprint[:-1], "é"):
            with pytest.raises(ConnectionError, match="shows another certificate than the link"):
                await within(join(str(replace(server.link, fingerprint=wrong))))
        assert asked == []


async def test_a_trusted_certificate_is_trusted_there_only():
    async with serving("chat", tls=True) as one, serving("counter", tls=True) as other:
        context = context_for(one.url)
        with pytest.raises(ssl.SSLCertVerificationError):
            await within(connect(other.url, proxy=None, ssl=context))
        async with guests(one.url, 1, ssl=context) as [ann]:
            await say(ann, {"type": "join", "username": "Ann"})
            assert (await hear(ann))["message"] == "Welcome, Ann!"
        assert context_for(one.url.replace("wss", "ws")) is None


@pytest.fixture
def files(tmp_path):
    """A certificate of a school, and its key."""
    issued = trustme.CA().issue_cert(HERE)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return str(certificate), str(key)


async def test_a_certificate_from_files(files):
    async with in_a_terminal("--tls", *files) as lines:
        link = Link.parse(lines[-1].rpartition(" ")[2])
        der = ssl.PEM_cert_to_DER_cert(Path(files[0]).read_text())
        assert link.fingerprint == fingerprint_of(der)
        client = ChatClient(await within(join(str(link))), "Ada")
        await client.until(lambda: client.username == "Ada")
        client.close()
        await within(client.wait_closed())


async def test_files_that_are_no_certificate_are_refused_with_words(files, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert(HERE).private_key_pem.write_to_path(other)
    for pair in (files[::-1], (files[0], str(other)), (str(tmp_path / "none"), files[1])):
        with pytest.raises(ValueError, match=r"are no certificate with its key: .* PEM format"):
            await start("chat", tls=pair)
    for wrong in ("cert.pem", ("cert.pem",), 1):
        with pytest.raises(TypeError, match="Expected True, False, or the files"):
            await start("chat", tls=wrong)


async def test_another_kernel_on_this_computer_joins_without_a_link():
    async with in_a_terminal("--tls", "--port", "0") as lines:
        port = Link.parse(lines[-1].rpartition(" ")[2]).port
        async with serving("chat", port=port) as joined:
            assert repr(joined) == f"<chat server of another kernel at wss://{HERE}:{port}>"
            client = ChatClient(joined, "Ada")
            await client.until(lambda: client.username == "Ada")
            client.close()
            await within(client.wait_closed())
