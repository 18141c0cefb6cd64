"""A relay between a client and a server: it passes on, keeps a copy, and cuts."""

import socket

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError, InvalidMessage

from server import relay as module
from server.relay import Relay
from tests.wire import within


async def answer(websocket):
    async for text in websocket:
        await websocket.send(f"You said {text}")


def served():
    return serve(answer, "127.0.0.1", 0, compression=None)


def port_of(server):
    return server.sockets[0].getsockname()[1]


async def test_it_passes_on_both_ways_keeps_a_copy_and_tells_both_sides_of_a_goodbye():
    async with served() as server, Relay(port_of(server)) as relay:
        for name in ("Ada", "Bob"):
            async with connect(relay.url, proxy=None) as websocket:
                await websocket.send(name)
                assert await within(websocket.recv()) == f"You said {name}"
            assert (websocket.close_code, websocket.close_reason) == (1000, "")
    assert relay.from_client.startswith(b"GET / HTTP/1.1\r\n")
    assert relay.from_client.count(b"Upgrade: websocket") == 2
    assert relay.from_server.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"You said Ada" in relay.from_server and b"You said Bob" in relay.from_server


async def test_what_is_cut_gets_no_goodbye_and_the_next_one_is_served():
    async with served() as server, Relay(port_of(server)) as relay:
        for _ in range(2):
            async with connect(relay.url, proxy=None) as websocket:
                relay.cut()
                with pytest.raises(ConnectionClosedError):
                    await within(websocket.recv())
                assert websocket.close_code == 1006


async def test_a_relay_that_ends_ends_its_connections():
    async with served() as server:
        async with Relay(port_of(server)) as relay:
            websocket = await connect(relay.url, proxy=None)
        await within(websocket.wait_closed())
        with pytest.raises(OSError):
            await connect(relay.url, proxy=None)


async def test_without_a_server_it_closes_whoever_comes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with Relay(free.getsockname()[1]) as relay:
            with pytest.raises((InvalidMessage, ConnectionError)):
                await within(connect(relay.url, proxy=None))


async def test_the_copy_is_bounded_and_what_is_passed_on_is_not(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_COPY", 1_000)
    text = "x" * 300_000
    async with served() as server, Relay(port_of(server)) as relay:
        async with connect(relay.url, proxy=None) as websocket:
            await websocket.send(text)
            assert await within(websocket.recv()) == f"You said {text}"
        assert len(relay.from_client) == len(relay.from_server) == 1_000
