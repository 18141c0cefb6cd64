"""Start a server in the background of a notebook, or take part in the one that is there."""

import asyncio
import importlib
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from weakref import WeakSet

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from server import door, ports
from server.connection import GRACE, Connection, Handler, Replaced

Background = Callable[[], Awaitable[None]]

LOOPBACK = "127.0.0.1"
LONGEST_MESSAGE = 64 * 1024  # bytes; a longer one closes its connection with code 1009
FAREWELL = 1.0  # seconds in which a client and a handler may end by themselves when a server stops

# A notebook's variables get overwritten, and a server that nobody can reach any more would hold its
# port until the kernel ends. So this process keeps its servers here, stopped ones as well: one that
# starts again where it was is the same server, on the same card.
_servers: dict[tuple[int, str], "Server"] = {}
_joined: dict[int, "Joined"] = {}


class Server:
    """A server that runs in this process, with the handler it runs at the moment.

    Displayed in a notebook, it is a live card: where it runs, and who is connected.

    Attributes:
        exercise: The name of the exercise, or "your handler".
        port: The TCP port it listens on.
        url: Where WebSocket clients connect, such as ``ws://127.0.0.1:8764``.
        page: The address of its page for a browser tab.
    """

    def __init__(self, exercise: str, handler: Handler, *, origins: frozenset[str] = frozenset()):
        self.exercise = exercise
        self.handler = handler
        self.first_handler = handler  # that of the exercise, while `handler` is the learner's
        self.options: Mapping[str, Any] = {}  # what `first_handler` was made with
        self.port = 0
        self.failure: Exception | None = None  # what the handler raised last
        self.parks = True  # whether a connection whose handler raised waits for the next one
        self._origins = origins
        self._websockets: WebSocketServer | None = None
        self._heart: asyncio.Task[None] | None = None
        # Also those that have not said yet what they want: browsers connect in advance.
        self._accepted: WeakSet[Connection] = WeakSet()
        self._next_handler = asyncio.Event()
        self._background = background_of(handler)
        self._background_task: asyncio.Task[None] | None = None
        self._card: Any = None

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def connections(self) -> set[ServerConnection]:
        """The connections that are open now."""
        return self._websockets.connections if self._websockets else set()

    @property
    def is_running(self) -> bool:
        return self._websockets is not None and self._websockets.is_serving()

    async def open(self, port: int) -> None:
        """Listen on a port of this computer; 0 means any that is free.

        Raises:
            OSError: If the port cannot be had.
        """
        self._websockets = await serve(
            self._converse,
            LOOPBACK,
            port,
            process_request=self._answer_request,
            create_connection=self._accept,
            # Compression costs more than half of the speed, for nothing in messages this small.
            compression=None,
            max_size=LONGEST_MESSAGE,
            # A room of thirty connects within a second when its teacher's server comes back.
            backlog=1_024,
        )
        self.port = self._websockets.sockets[0].getsockname()[1]
        self._heart = asyncio.create_task(_beat())
        _servers[self.port, self.exercise] = self
        self._begin_background()
        self._show()

    async def stop(self) -> None:
        """Close every connection with code 1001 (going away) and free the port.

        A client that does not answer, and a handler or a background that goes on, are cut off
        after a second.
        """
        if self._heart is not None:
            self._heart.cancel()
        ending = self._end_background()
        if self._websockets is not None:
            self._websockets.close()
            closed = asyncio.ensure_future(self._websockets.wait_closed())
            await asyncio.wait([closed, *ending], timeout=FAREWELL)
            for websocket in list(self._accepted):
                websocket.cut_off()
            await asyncio.wait([closed], timeout=FAREWELL)
            closed.cancel()
        self._show()

    def use(self, handler: Handler, background: Background | None = None) -> None:
        """Run another handler from now on, on the open connections as well.

        Nobody has to reconnect and no message is lost: a connection that is busy with a message
        changes over before it takes the next one. The background task of the former handler ends,
        and that of this one begins.
        """
        self.handler = handler
        self.failure = None
        self._end_background()
        self._background = background or background_of(handler)
        if self.is_running:
            self._begin_background()
        for websocket in self.connections:
            websocket.replace_handler()
        self._next_handler.set()
        self._next_handler = asyncio.Event()
        self._show()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Take the handler and its background off the open connections for a while.

        A check runs the same functions, on the same global names. The two would talk to each
        other's clients.
        """
        handler, background, failure = self.handler, self._background, self.failure
        self.use(_wait_until_closed)
        deadline = asyncio.get_running_loop().time() + 2 * GRACE
        while any(websocket.handler is handler for websocket in self.connections):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            self.use(handler, background)
            self.failure = failure

    def about(self) -> dict[str, Any]:
        """Return what other kernels learn about this server before they join it."""
        return {
            "course": "websocket-course",
            "exercise": self.exercise,
            "notebook": _notebook_name(),
            "process": os.getpid(),
            "connections": len(self.connections),
        }

    def _accept(self, *arguments: Any, **options: Any) -> Connection:
        websocket = Connection(*arguments, **options)
        self._accepted.add(websocket)
        return websocket

    async def _converse(self, websocket: ServerConnection) -> None:
        """Run the handler on one connection, and its successors when it is replaced."""
        self._show()
        try:
            while websocket.state is State.OPEN:
                next_handler = self._next_handler
                try:
                    await websocket.run(self.handler)
                    return
                except Replaced:
                    continue
                except ConnectionClosed as closed:
                    if websocket.state is not State.OPEN:
                        return  # the client is gone, as clients are
                    self._report(closed)
                except Exception as error:
                    self._report(error)
                if not self.parks:
                    await websocket.close(1011, "the handler raised an exception")
                await _first_of(next_handler.wait(), websocket.wait_closed())
        finally:
            self._show()

    def _begin_background(self) -> None:
        if self._background is not None:
            self._background_task = asyncio.create_task(self._run(self._background))

    def _end_background(self) -> list[asyncio.Task[None]]:
        """Cancel the background task. Returns it, if there was one."""
        task, self._background_task = self._background_task, None
        if task is None:
            return []
        task.cancel()
        return [task]

    async def _run(self, background: Background) -> None:
        try:
            await background()
        except Exception as error:
            self._report(error)

    def _answer_request(self, websocket: ServerConnection, request: Request) -> Response | None:
        any_host = "JUPYTERHUB_SERVICE_PREFIX" in os.environ
        if reason := door.refusal(request, self._origins, any_host):
            return websocket.respond(HTTPStatus.FORBIDDEN, reason + "\n")
        if door.is_handshake(request):
            return None
        return door.respond(websocket, request, self.about())

    def _report(self, error: Exception) -> None:
        """Show what the handler raised where the learner looks: on the card, or in the cell."""
        self.failure = error
        self._show()
        if self._card is None:
            from server.tracebacks import write_traceback

            write_traceback(error)

    def _show(self) -> None:
        if self._card is not None:
            self._card.show()

    def __repr__(self) -> str:
        if not self.is_running:
            return f"<{self.exercise} server, stopped>"
        return f"<{self.exercise} server at {self.url}, {len(self.connections)} connected>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import ServerCard, mimebundle  # Only a notebook needs widgets.

        if self._card is None:
            self._card = ServerCard(self)
        return mimebundle(self, self._card.widget, **kwargs)


class Joined:
    """A server of another kernel, in which this kernel takes part.

    Attributes:
        about: What that server says of itself; None when it does not answer any more.
    """

    def __init__(self, port: int, about: dict[str, Any]):
        self.port = port
        self.exercise: str = about["exercise"]
        self.about: dict[str, Any] | None = about
        self._card: Any = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def page(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def is_running(self) -> bool:
        return self.about is not None

    async def stop(self) -> None:
        """Take part no longer. The server goes on: it belongs to another kernel."""
        if self._watch is not None:
            self._watch.cancel()
        if _joined.get(self.port) is self:
            del _joined[self.port]

    async def _keep_looking(self, every: float = 1.0) -> None:
        """Look after the other kernel's server, so that the card tells when it is gone."""
        while True:
            try:
                self.about = await ports.ask_about(self.port)
            except ConnectionError:
                self.about = None
            self._card.show()
            await asyncio.sleep(every)

    def __repr__(self) -> str:
        return f"<{self.exercise} server of another kernel at {self.url}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from server.card import JoinedCard, mimebundle

        if self._card is None:
            self._card = JoinedCard(self)
            self._watch = asyncio.create_task(self._keep_looking())
        return mimebundle(self, self._card.widget, **kwargs)


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
            raise TypeError(f"{_listed(options)}: only the course's own exercises have options.")
        name, handler, candidates = "your handler", exercise, ports.own_ports()
        if port is None and (mine := _own_server()):
            candidates = [mine.port]
    else:
        name, candidates = exercise, [_port_of(exercise)]
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
        for server in list(_servers.values()):
            ours = server.exercise in ports.EXERCISES and server.handler is server.first_handler
            if server.is_running and not ours:
                await stack.enter_async_context(server.paused())
        yield


async def stop() -> None:
    """Stop every server of this kernel, and leave those it has joined."""
    running = [server for server in _servers.values() if server.is_running]
    for server in [*running, *_joined.values()]:
        await server.stop()


def load(exercise: str, **options: Any) -> Handler:
    """Return the handler of an exercise, with fresh state.

    Raises:
        ValueError: If there is no such exercise, or the value of an option is not one.
        TypeError: If the exercise has no such option.
    """
    known = options_of(exercise)
    if unknown := options.keys() - known.keys():
        takes = f"It takes: {_listed(known)}." if known else "It takes none."
        raise TypeError(f'"{exercise}" has no option {_listed(unknown)}. {takes}')
    return _class_of(exercise)(**options).handler


def options_of(exercise: str) -> dict[str, Any]:
    """Return the options of an exercise, with their defaults.

    Raises:
        ValueError: If there is no such exercise.
    """
    parameters = inspect.signature(_class_of(exercise)).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def background_of(handler: Handler) -> Background | None:
    """Return what is to run beside a handler: the method `background` of its object, if any."""
    return getattr(getattr(handler, "__self__", None), "background", None)


def available() -> list[str]:
    """Return the names of the exercises that this course has, in order."""
    here = Path(__file__).parent
    return [name for name in ports.EXERCISES if (here / f"{name}.py").is_file()]


async def _start_on(
    port: int,
    name: str,
    handler: Handler | None,
    background: Background | None,
    options: Mapping[str, Any],
) -> Server | Joined:
    known = _servers.get((port, name))
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
            return await _join(port, about)
        else:
            if port in _joined:
                await _joined[port].stop()
            return server
    if nobody:
        raise ports.PortTaken(f"Port {port} cannot be had on this computer. {OTHER_PORT}")
    raise ports.PortTaken(await _who_has(port, None))


async def _join(port: int, about: dict[str, Any]) -> Joined:
    if port not in _joined:
        _joined[port] = Joined(port, about)
    return _joined[port]


OTHER_PORT = 'Or choose another port, for example: await start("…", port=8799)'


async def _who_has(port: int, about: dict[str, Any] | None) -> str:
    if about is not None:
        where = about["notebook"] or f"process {about['process']}"
        return f'Port {port} belongs to the "{about["exercise"]}" server of {where}. {OTHER_PORT}'
    program = await asyncio.to_thread(ports.who_listens, port)
    return f"Port {port} belongs to {program}. End it and run this again. {OTHER_PORT}"


def _own_server() -> Server | None:
    servers = (s for s in _servers.values() if s.exercise == "your handler" and s.is_running)
    return next(servers, None)


def _port_of(exercise: str) -> int:
    _check_exercise(exercise)
    return ports.exercise_port(exercise)


def _class_of(exercise: str) -> Callable[..., Any]:
    _check_exercise(exercise)
    module = importlib.import_module(f"server.{exercise}")
    return getattr(module, exercise.title().replace("_", ""))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _check_exercise(exercise: str) -> None:
    if exercise not in available():
        names = ", ".join(f'"{name}"' for name in available())
        raise ValueError(f"There is no exercise {exercise!r}. Expected one of {names}.")


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


async def _wait_until_closed(websocket: ServerConnection) -> None:
    await websocket.wait_closed()


async def _first_of(*awaitables: Any) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _beat(every: float = 0.5) -> None:
    """Wake the event loop up now and then.

    ipykernel notices the stop button of a notebook when its loop wakes up. Without this, a cell
    that awaits something that never comes could not be stopped.
    """
    while True:
        await asyncio.sleep(every)


def _notebook_name() -> str | None:
    """Return the file name of this kernel's notebook, as far as Jupyter tells."""
    path = os.environ.get("JPY_SESSION_NAME")
    return Path(path).name if path else None
