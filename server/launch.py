"""Start a server in the background of a notebook, or take part in the one that is there."""

import asyncio
import inspect
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from server import ports
from server.certificate import trust_by_fingerprint
from server.connection import Handler
from server.exercises import NOT_SHARED, check_exercise, listed, load
from server.joined import Joined, joined
from server.link import Link
from server.process import running as processes
from server.redis_process import own as redis
from server.room import Room
from server.running import EVERYWHERE, TLS, Background, Server, servers
from server.via import Via

OTHER_PORT = 'Or choose another port, for example: await start("…", port=8799)'


async def start(
    exercise: str | Handler,
    handler: Handler | None = None,
    *,
    background: Background | None = None,
    port: int | None = None,
    host: str | None = None,
    tls: TLS | None = None,
    via: str | None = None,
    **options: Any,
) -> Server | Joined:
    """Start a server in the background of this notebook. Run it again as often as you like.

    ``start("counter")`` runs the course's server of an exercise, ``start(handler)`` runs yours, and
    ``start("counter", handler)`` runs yours where that exercise lives.

    If the server runs in this kernel already, it goes on, and takes the new handler over between
    two messages. If another kernel runs it, this one joins that server.

    Args:
        exercise: The name of an exercise, or a handler: an ``async def`` function with one
            parameter, the connection.
        handler: A handler to run in place of the exercise's.
        background: An ``async def`` function without parameters that runs beside your handler. It
            begins with the server and is cancelled with it, or when another handler comes.
        port: The TCP port; by default the exercise's own.
        host: "0.0.0.0" lets others on the network in, with the join link that the card shows;
            "127.0.0.1", which a new server has, lets in this computer alone. Without either, a
            server that runs stays as it is.
        tls: Whether to encrypt: True makes a certificate, and ``("cert.pem", "key.pem")`` takes
            one from files. Without it, a server that runs stays as it is.
        via: The address of a Redis, such as ``redis://127.0.0.1:6379``, over which this server
            shares its room with all that have the same ``via``, on this computer (each on a port
            of its own) and on others. ``redis://…?room=biology`` keeps two courses apart. Without
            it, a server that runs stays as it is; `stop` it first to have a room of its own again.
        options: Options of the exercise, such as ``pace=(1, 3)`` of "notifications".

    Raises:
        PortTaken: If another program has the port.
        ValueError: If there is no such exercise, or the host, the certificate or the address of
            the Redis will not do.
        ConnectionError: If that Redis does not answer.
        TypeError: If the handler is not an ``async def`` function with one parameter, or the
            exercise has no such option.
    """
    if callable(exercise):
        if options:
            raise TypeError(f"{listed(options)}: only the course's own exercises have options.")
        name, handler, candidates = "your handler", exercise, ports.own_ports()
        if port is None and (mine := _own_server()):
            candidates = [mine.port]
    else:
        check_exercise(exercise)
        name, candidates = exercise, [ports.exercise_port(exercise)]
    if port is not None:
        candidates = [port]
    if handler is not None:
        _check_handler(handler)
    if background is not None:
        _check_background(handler, background)

    _check_host(host)
    _check_tls(tls)
    meeting = None if via is None else Via.parse(via)
    if meeting is not None:
        _check_can_share(name, handler)

    place = host, tls, meeting
    for candidate in candidates[:-1]:
        try:
            return await _start_on(candidate, name, handler, background, options, place)
        except ports.PortTaken:
            continue
    return await _start_on(candidates[-1], name, handler, background, options, place)


async def join(link: str) -> Joined:
    """Take part in a class, whose join link the teacher gives you. Clients take what it returns.

    Args:
        link: The join link, all of it, such as ``"http://192.168.1.20:8762/?token=…"``.

    Raises:
        TypeError: If the link is no text.
        ValueError: If it is no join link.
        PermissionError: If the token does not fit.
        ConnectionError: If there is no server of the course, or its certificate is another one.
    """
    wanted = Link.parse(link)
    try:
        if wanted.fingerprint:
            await trust_by_fingerprint(wanted.host, wanted.port, wanted.fingerprint)
        status, body = answer = await ports.ask(wanted, within=5.0)
    except ssl.SSLCertVerificationError as error:
        raise ConnectionError(error.strerror or str(error)) from None
    except (OSError, TimeoutError) as error:
        raise ConnectionError(
            f"Nobody answers at {wanted.place} ({_words(error)}). Is the server still running, are "
            "you in the same network, and is the link complete? A firewall, or a Wi-Fi that keeps "
            "its guests apart, can be in the way, too."
        ) from None
    if status in {401, 403}:
        raise PermissionError(body.decode(errors="replace").strip()[:400])
    about = ports.read_about(answer)
    if about is None:
        raise ConnectionError(f"What answers at {wanted.place} is no server of the course.")
    return _remember(wanted, about)


@asynccontextmanager
async def pause_own() -> AsyncIterator[None]:
    """Pause the servers of this kernel that run a handler of the learner's."""
    async with AsyncExitStack() as stack:
        for server in list(servers.values()):
            ours = server.exercise in ports.EXERCISES and server.handler is server.first_handler
            if server.is_running and not ours:
                await stack.enter_async_context(server.paused())
        yield


async def stop() -> None:
    """Stop what this kernel runs, its servers first and then its Redis; leave what it joined."""
    running = [server for server in servers.values() if server.is_running]
    for server in [*running, *processes, *joined.values()]:
        await server.stop()
    if redis.is_running:
        await redis.stop()


async def _start_on(
    port: int,
    name: str,
    handler: Handler | None,
    background: Background | None,
    options: Mapping[str, Any],
    place: tuple[str | None, TLS | None, Via | None],
) -> Server | Joined:
    host, tls, via = place
    known = servers.get((port, name))
    if known is not None and known.is_running:
        if known.options != options:
            known.first_handler, known.options = load(name, **options), options
        wanted = handler or known.first_handler
        # A learner's own handler is run anew even if it is the same function: the cell that
        # defines its state may have been run again, and it must register everybody once more.
        if handler is not None or known.handler is not wanted:
            known.use(wanted, background)
        new = known.host if host is None else host, known.tls if tls is None else tls
        if new != (known.host, known.tls):
            await known.move(*new)
        if via is not None and (via != known.via or known.shared is None):
            await known.meet(via)
        return known

    first_handler = load(name, **options) if name in ports.EXERCISES else handler
    server = known or Server(name, first_handler)
    server.first_handler, server.options = first_handler, options
    server.host, server.tls, server.via = host or ports.LOOPBACK, tls or False, via
    server.use(handler or first_handler, background)
    for _ in range(10):
        try:
            await server.open(port)
        except OSError as error:
            if error.errno not in ports.TAKEN:
                raise
            try:
                about = await ports.ask_about(port)
            except ConnectionError as gone:
                nobody = isinstance(gone, ConnectionRefusedError)
                # Whoever had it has just gone. The system needs a moment to notice.
                await asyncio.sleep(0.05)
                continue
            if about is None or about["exercise"] != name or name not in ports.EXERCISES:
                raise ports.PortTaken(await _who_has(port, about)) from None
            if server.host != ports.LOOPBACK and not about.get("class"):
                raise ports.PortTaken(
                    f"{await _who_has(port, about)} It serves its own computer alone: to open a "
                    'class, run start(…, host="0.0.0.0") there.'
                ) from None
            if via is not None and about.get("via") != str(via):
                raise ports.PortTaken(
                    f"{await _who_has(port, about)} It is not in the room of {via}, and a second "
                    "server on one computer needs a port of its own."
                ) from None
            there = Link(ports.LOOPBACK, port, secure=bool(about.get("secure")))
            found = _remember(there, about)
            found.left_out = handler is not None
            return found
        else:
            if former := joined.get((ports.LOOPBACK, port)):
                await former.stop()
            return server
    if nobody:
        raise ports.PortTaken(f"Port {port} cannot be had on this computer. {OTHER_PORT}")
    raise ports.PortTaken(await _who_has(port, None))


def _remember(link: Link, about: dict[str, Any]) -> Joined:
    place = link.host, link.port
    if place in joined and joined[place].link == link:
        joined[place].about = about
    else:
        joined[place] = Joined(link, about)
    return joined[place]


def _words(error: Exception) -> str:
    return str(error) or "no answer in time"


async def _who_has(port: int, about: dict[str, Any] | None) -> str:
    if about is not None:
        where = about["notebook"] or f"process {about['process']}"
        return f'Port {port} belongs to the "{about["exercise"]}" server of {where}. {OTHER_PORT}'
    program = await asyncio.to_thread(ports.who_listens, port)
    return (
        f"Port {port} belongs to {program}, which does not answer as a server of the course. If it "
        "is a notebook whose kernel is busy, wait for it. Else end it and run this again. "
        f"{OTHER_PORT}"
    )


def _own_server() -> Server | None:
    own = (s for s in servers.values() if s.exercise == "your handler" and s.is_running)
    return next(own, None)


def _check_host(host: str | None) -> None:
    if host not in {None, ports.LOOPBACK, EVERYWHERE}:
        raise ValueError(
            f'Got host={host!r}. Expected "127.0.0.1" for this computer alone, or "0.0.0.0" for '
            "every network that it is in."
        )


def _check_tls(tls: TLS | None) -> None:
    if not (tls is None or isinstance(tls, bool) or (isinstance(tls, tuple) and len(tls) == 2)):
        raise TypeError(
            f"Got tls={tls!r}. Expected True, False, or the files of a certificate and of its key "
            'such as ("cert.pem", "key.pem").'
        )


def _check_can_share(name: str, handler: Handler | None) -> None:
    owner = getattr(handler, "__self__", None)
    if handler is not None and not isinstance(getattr(owner, "room", None), Room):
        raise TypeError(
            "A room that several servers share is for the course's own exercises, or for the "
            "method of an object that has a `room`: your handler keeps its clients in its own way."
        )
    if name in NOT_SHARED:
        raise ValueError(
            'The whiteboard is not built to be shared by several servers. Run it without "via": '
            "all who draw then connect to this one server."
        )


def _check_background(handler: Handler | None, background: Background) -> None:
    expected = "Expected an `async def` function that can be called without arguments."
    if handler is None:
        raise TypeError("A background goes with a handler of yours: await start(handler, …)")
    if not inspect.iscoroutinefunction(background):
        raise TypeError(f"Got {background!r} as the background. {expected}")
    try:
        inspect.signature(background).bind()
    except TypeError as error:
        raise TypeError(f"The background: {error}. {expected}") from None


def _check_handler(handler: Handler) -> None:
    expected = "Expected an `async def` function with one parameter, the connection."
    if isinstance(handler, type):
        raise TypeError(f"Got the class {handler.__name__}. {expected} Did you mean its method?")
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"Got {handler!r}. {expected}")
    try:
        inspect.signature(handler).bind(None)
    except TypeError as error:
        name = getattr(handler, "__name__", "the handler")  # a partial has none
        raise TypeError(f"{name}(): {error}. {expected}") from None
