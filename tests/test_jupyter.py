"""Where a server's page is for a browser that shows Jupyter, and who comes in that way."""

import base64
import json
import os
from pathlib import Path

import pytest

from server import Joined, Server, start
from server.card import JoinedCard
from server.door import HIDDEN
from server.exercises import load
from server.jupyter import NO_WAY, _what_jupyter_says, page_links, proxy_token
from server.link import Link
from server.running import EVERYWHERE
from tests.test_class import AWAY, call
from tests.test_door import HANDSHAKE, REQUESTS, came_in
from tests.wire import ask, guests, serving, within

PAGE = "http://127.0.0.1:8764/"
NAME = "jupyter.school.example"


@pytest.fixture
def runtime(tmp_path, monkeypatch) -> Path:
    """The folder where Jupyter tells of itself, with the secret that each Jupyter keeps there."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for name in ("JUPYTERHUB_SERVICE_PREFIX", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "jupyter_cookie_secret").write_bytes(base64.encodebytes(os.urandom(32)))
    _what_jupyter_says.cache_clear()
    yield tmp_path
    _what_jupyter_says.cache_clear()


def run_in_jupyter(runtime: Path, process: int, **said) -> None:
    """Leave the file that a Jupyter server leaves of itself."""
    about = {"base_url": "/", "hostname": "localhost", "pid": process} | said
    (runtime / f"jpserver-{process}.json").write_text(json.dumps(about), encoding="utf-8")


def addresses(page: str = PAGE) -> list[str]:
    return [link.address for link in page_links(page, 8764)]


def test_without_a_jupyter_the_page_is_on_this_computer(runtime):
    run_in_jupyter(runtime, os.getpid())  # of some other kernel: it is not what started us
    assert addresses() == [PAGE]


@pytest.mark.parametrize(
    ("said", "ssh", "is_here"),
    [
        ({}, False, True),
        ({"hostname": "127.0.0.1"}, False, True),
        ({"hostname": "0.0.0.0"}, False, False),
        ({"hostname": ""}, False, False),
        ({"base_url": "/user/ada%40x/"}, False, False),
        ({}, True, False),
    ],
)
def test_the_likelier_way_comes_first_and_both_are_there(runtime, monkeypatch, said, ssh, is_here):
    if ssh:
        monkeypatch.setenv("SSH_CONNECTION", "192.168.1.7 50000 192.168.1.20 22")
    run_in_jupyter(runtime, os.getppid(), **said)
    proxied = f"{said.get('base_url', '/')}proxy/8764/?token={proxy_token(8764)}"
    assert addresses() == ([PAGE, proxied] if is_here else [proxied, PAGE])
    first, second = page_links(PAGE, 8764)
    assert first.words == "open its page in a tab"
    assert first.words != second.words
    assert addresses("https://127.0.0.1:8764/") == ["https://127.0.0.1:8764/"]


def test_on_a_jupyterhub_only_its_own_way_leads_there(runtime, monkeypatch):
    run_in_jupyter(runtime, os.getppid())
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada%40x/")
    assert addresses() == ["/user/ada%40x/proxy/8764/"]


async def test_on_a_jupyterhub_a_server_that_encrypts_has_no_way_and_says_what_to_do(
    runtime, monkeypatch
):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada%40x/")
    assert addresses("https://127.0.0.1:8764/") == []
    async with serving("counter", port=0, tls=True) as server:
        server._repr_mimebundle_()
        card = server._card
        for shown in (card, JoinedCard(Joined(Link("127.0.0.1", 1, secure=True), server.about()))):
            words = shown._body.value
            assert NO_WAY in words and "<code>await start(…, tls=False)</code>" in words
            assert "<a " not in words
            assert shown._page.widget.layout.display == "none"  # and no page within the card
        assert await start("counter", port=server.port, tls=False) is server
        card._paint()
        assert f'<a href="/user/ada%40x/proxy/{server.port}/"' in card._body.value
        assert NO_WAY not in card._body.value
        assert card._page.widget.layout.display == ""


def test_what_jupyter_says_may_be_broken(runtime):
    (runtime / f"jpserver-{os.getppid()}.json").write_text('{"base_url": ', encoding="utf-8")
    assert addresses() == [PAGE]


def test_the_secret_is_of_this_user_and_of_one_port(runtime):
    token = proxy_token(8764)
    assert token == proxy_token(8764)
    assert token != proxy_token(8763)
    (runtime / "jupyter_cookie_secret").write_bytes(base64.encodebytes(os.urandom(32)))
    assert proxy_token(8764) != token
    (runtime / "jupyter_cookie_secret").write_bytes(b"")
    assert proxy_token(8764) is None
    (runtime / "jupyter_cookie_secret").unlink()
    assert proxy_token(8764) is None


@REQUESTS
async def test_under_another_name_comes_in_who_has_the_secret(runtime, request_):
    server = Server("counter", load("counter"))
    await within(server.open(0))
    try:
        token = proxy_token(server.port)
        first = await ask(server.port, f"/?token={token}", host=NAME)
        assert (first.status, first.headers["location"]) == (303, "./")
        kept = first.headers["set-cookie"].partition(";")[0]
        assert kept == f"websocket_course_{server.port}_jupyter={token}"
        ours = (f"Cookie: a=b; {kept}", f"Origin: https://{NAME}")
        assert came_in(await ask(server.port, "/", *request_, *ours, host=NAME), request_)
        for wrong in (
            (),
            (f"Cookie: websocket_course_{server.port}_jupyter={proxy_token(server.port + 1)}",),
            (f"Cookie: websocket_course_{server.port}_jupyter=",),
            (f"Cookie: websocket_course_{server.port + 1}_jupyter={token}",),
            (f"X-ProxyContextPath: /proxy/{server.port}",),
            (f"Cookie: {kept}", "Origin: https://evil.example"),
        ):
            assert (await ask(server.port, "/", *request_, *wrong, host=NAME)).status == 403, wrong
    finally:
        await within(server.stop())


async def test_no_handler_sees_the_secret(runtime):
    seen = []

    async def handler(websocket):
        seen.append(f"{websocket.request.path} {websocket.request.headers}")

    server = Server("your handler", handler)
    await within(server.open(0))
    try:
        token = proxy_token(server.port)
        cookie = {"Cookie": f"websocket_course_{server.port}_jupyter={token}"}
        url = f"{server.url}/?token={token}"
        async with guests(url, 1, additional_headers=cookie) as [ann]:
            await within(ann.wait_closed())
    finally:
        await within(server.stop())
    assert token not in seen[0]
    assert seen[0].count(HIDDEN) == 2


@pytest.mark.skipif(AWAY == "127.0.0.1", reason="this computer is in no network")
async def test_into_a_class_it_leads_from_this_computer_only(runtime):
    server = Server("counter", load("counter"), host=EVERYWHERE)
    await within(server.open(0))
    try:
        cookie = f"Cookie: websocket_course_{server.port}_jupyter={proxy_token(server.port)}"
        for request in ((), HANDSHAKE):
            assert (await call(server, "/", *request, cookie)).status == 401
            assert came_in(await ask(server.port, "/", *request, cookie, host=NAME), request)
    finally:
        await within(server.stop())
