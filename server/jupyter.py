"""The Jupyter that shows this kernel: by which address its browser reaches the kernel's servers.

Jupyter passes on, from its own address, what a browser wants of a port of this computer: that is
what jupyter-server-proxy does. So a browser that is somewhere else reaches a server of ours where
it reaches Jupyter, at ``{base}proxy/{port}/``.
"""

import hashlib
import hmac
import json
import os
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from server.addresses import is_loopback

IN_A_TAB = "open its page in a tab"
# What to say where there is no way; it goes on with how to start a server without TLS.
NO_WAY = (
    "No browser reaches its page here: JupyterHub passes on to servers without encryption only. "
    "The way from your browser to JupyterHub is encrypted by JupyterHub. So start this server "
    "without TLS: "
)


class PageLink(NamedTuple):
    """A way to a server's page, and what to call it."""

    address: str
    words: str


class Jupyter(NamedTuple):
    """The Jupyter that a browser shows this kernel in.

    Attributes:
        base: The path under which it is served, such as ``/`` or ``/user/ada/``.
        has_own_names: Whether it is a JupyterHub's, which lets in nobody but the learner.
        is_for_this_computer: Whether its browser is here, as far as one can tell.
    """

    base: str
    has_own_names: bool
    is_for_this_computer: bool


def page_links(page: str, port: int) -> list[PageLink]:
    """Return the ways to a server's page from where the learner's browser may be, the best first.

    Nobody tells a kernel where its browser is. So there are two ways, unless one of them cannot
    lead there: on a JupyterHub, and so on Binder, this computer's own address never does. There,
    a server that encrypts cannot be reached at all, and the list is empty; `NO_WAY` says why.

    Args:
        page: The address of the page on this computer.
        port: The port of the server.
    """
    jupyter = find_jupyter()
    # The proxy speaks to a port without encryption only.
    is_secure = page.startswith("https:")
    if jupyter is None or (is_secure and not jupyter.has_own_names):
        return [PageLink(page, IN_A_TAB)]
    if is_secure:
        return []
    address = f"{jupyter.base}proxy/{port}/"
    if jupyter.has_own_names:
        return [PageLink(address, IN_A_TAB)]
    if find_spec("jupyter_server_proxy") is None:
        return [PageLink(page, IN_A_TAB)]
    if token := proxy_token(port):
        address += f"?token={token}"
    if jupyter.is_for_this_computer:
        return [PageLink(page, IN_A_TAB), PageLink(address, "or through Jupyter")]
    return [PageLink(address, IN_A_TAB), PageLink(page, "or, at the kernel's computer, directly")]


def find_jupyter() -> Jupyter | None:
    """Return the Jupyter that shows this kernel; None if there is none, or it cannot be told."""
    if base := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return Jupyter(base, has_own_names=True, is_for_this_computer=False)
    told = _what_jupyter_says()
    if told is None:
        return None
    base, host = told["base_url"], told["hostname"]
    # Served under a path, or listening to the network, or started by somebody who logged in from
    # another computer: then the browser is likely to be over there.
    is_local = host == "localhost" or is_loopback(host)
    is_here = base == "/" and is_local and "SSH_CONNECTION" not in os.environ
    return Jupyter(base, has_own_names=False, is_for_this_computer=is_here)


def proxy_token(port: int) -> str | None:
    """Return the secret with which a browser comes to a server through Jupyter.

    A browser that reaches Jupyter under a name that is not this computer's names it to our server,
    too, which refuses strange names: any name may have been pointed at 127.0.0.1. This tells those
    that the card has sent from all others. Each kernel of one user knows it, and nobody else: it is
    made of a secret that Jupyter keeps in a file of this user.

    Args:
        port: The port of the server. Each has another secret.
    """
    with suppress(OSError):
        secret = (Path(jupyter_runtime_dir()) / "jupyter_cookie_secret").read_bytes()
        if len(secret) >= 32:
            words = f"websocket-course, port {port}"
            return hmac.new(secret, words.encode(), hashlib.sha256).hexdigest()[:32]
    return None


@cache
def _what_jupyter_says() -> dict[str, Any] | None:
    """Return what the Jupyter server that started this kernel says of itself.

    Each one leaves a file, named after its process. Ours is the parent, or the parent's parent:
    on Windows, the Python of a virtual environment starts another Python.
    """
    folder = Path(jupyter_runtime_dir())
    with suppress(psutil.Error):
        for process in psutil.Process().parents():
            with suppress(OSError, ValueError):
                said = json.loads((folder / f"jpserver-{process.pid}.json").read_text("utf-8"))
                if {"base_url", "hostname"} <= said.keys():
                    return said
    return None
