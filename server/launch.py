"""Start a server in the background of a notebook, or take part in the one that is there."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from server import ports
from server.connection import Handler
from server.exercises import check_exercise, listed, load
from server.joined import Joined, joined
from server.running import Background, Server, servers

OTHER_PORT = 'Or choose another port, for example: await start("…", port=8799)'


async def start(
    exercise: str | Handler,
    handler: Handler | None = None,
    *,
    background: Background | None = None,
    port: int | None = None,
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
        options: Options of the exercise, such as ``pace=(1, 3)`` of "notifications".

    Raises:
        PortTaken: If another program has the port.
        ValueError: If there is no such exercise.
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

    for candidate in candidates[:-1]:
        try:
            return await _start_on(candidate, name, handler, background, options)
        except ports.PortTaken:
            continue
    return await _start_on(candidates[-1], name, handler, background, options)


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
    """Stop every server of this kernel, and leave those it has joined."""
    running = [server for server in servers.values() if server.is_running]
    for server in [*running, *joined.values()]:
        await server.stop()


async def _start_on(
    port: int,
    name: str,
    handler: Handler | None,
    background: Background | None,
    options: Mapping[str, Any],
) -> Server | Joined:
    known = servers.get((port, name))
    if known is not None and known.is_running:
        if known.options != options:
            known.first_handler, known.options = load(name, **options), options
        wanted = handler or known.first_handler
        # A learner's own handler is run anew even if it is the same function: the cell that
        # defines its state may have been run again, and it must register everybody once more.
        if handler is not None or known.handler is not wanted:
            known.use(wanted, background)
        return known

    first_handler = load(name, **options) if name in ports.EXERCISES else handler
    server = known or Server(name, first_handler)
    server.first_handler, server.options = first_handler, options
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
            return _join(port, about, handler)
        else:
            if port in joined:
                await joined[port].stop()
            return server
    if nobody:
        raise ports.PortTaken(f"Port {port} cannot be had on this computer. {OTHER_PORT}")
    raise ports.PortTaken(await _who_has(port, None))


def _join(port: int, about: dict[str, Any], handler: Handler | None) -> Joined:
    if port not in joined:
        joined[port] = Joined(port, about)
    joined[port].left_out = handler is not None
    return joined[port]


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
