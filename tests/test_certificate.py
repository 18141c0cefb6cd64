"""Certificates made on the spot: who trusts them, and for which host."""

import ssl

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from server.certificate import Certificate


async def echo(websocket):
    async for text in websocket:
        await websocket.send(text)


def served_with(certificate):
    return serve(echo, "127.0.0.1", 0, ssl=certificate.for_server())


def address(server):
    return f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_who_trusts_the_authority_talks_in_secret():
    certificate = Certificate()
    async with (
        served_with(certificate) as server,
        connect(address(server), ssl=certificate.for_client(), proxy=None) as websocket,
    ):
        await websocket.send("hello")
        assert await websocket.recv() == "hello"


@pytest.mark.parametrize(
    "trust", [Certificate().for_client(), ssl.create_default_context()], ids=["another", "none"]
)
async def test_who_does_not_trust_it_is_warned(trust):
    async with served_with(Certificate()) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(address(server), ssl=trust, proxy=None)


async def test_a_certificate_for_another_host_is_not_taken():
    certificate = Certificate("example.org")
    async with served_with(certificate) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.1"):
            await connect(address(server), ssl=certificate.for_client(), proxy=None)
