"""Servers for exercise 6 as learners write them, and what check_dashboard() must say of them.

The criteria, in the order of the marks: the computer's numbers · the same to all · how many are
connected · the first CPU figure · the beat · a newcomer · rests · leavers.
"""

from tests.gallery import Piece, cell, notebook_cells

OURS = cell("""
    import asyncio, json, time
    from collections import deque
    from datetime import UTC, datetime
    import psutil
    from websockets.asyncio.server import broadcast

    class Sampling:
        def __init__(self):
            self.clients, self.last, self.task = set(), deque(maxlen=60), None

        def measure(self):
            return {
                "type": "metrics",
                "cpu": psutil.cpu_percent(),
                "memory": psutil.virtual_memory().percent,
                "connections": len(self.clients),
                "timestamp": datetime.now(UTC).isoformat(),
            }

        def prime(self):
            psutil.cpu_percent()

        async def pause(self, due, every):
            due += every
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            return due

        async def sample(self, every=1.0):
            self.prime()
            due = asyncio.get_running_loop().time()
            while True:
                due = await self.pause(due, every)
                text = json.dumps(self.measure())
                self.last.append(text)
                broadcast(self.clients, text)

        def catch_up(self, websocket):
            for text in self.last:
                broadcast([websocket], text)

        def arrive(self, websocket, every):
            self.catch_up(websocket)
            self.clients.add(websocket)
            if self.task is None:
                self.task = asyncio.create_task(self.sample(every))

        def leave(self, websocket):
            self.clients.discard(websocket)
            if not self.clients and self.task is not None:
                self.task.cancel()
                self.task = None

        async def handler(self, websocket, every=1.0):
            self.arrive(websocket, every)
            try:
                async for _ in websocket:
                    pass
            finally:
                self.leave(websocket)
""")

SOLVED = tuple(notebook_cells("solutions", "06_dashboard", 4))


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The sampler, of which some methods are written anew."""
    body = cell(source).replace("\n", "\n    ")
    cells = OURS, f"class Mine(Sampling):\n    {body}\n"
    return Piece(title, cells, marks, words, "Mine().handler")


BESIDE = cell("""
    class Beside(Sampling):
        async def handler(self, websocket):
            self.clients.add(websocket)
            await websocket.wait_closed()
            self.clients.discard(websocket)
""")


def beside(title: str, marks: str, *words: str, source: str) -> Piece:
    """A sampler that runs beside the handlers, as in step 2."""
    body = cell(source).replace("\n", "\n    ")
    cells = OURS, BESIDE, f"class Mine(Beside):\n    {body}\nmine = Mine()\n"
    return Piece(title, cells, marks, words, "(mine.handler, mine.sample)")


WRONG = [
    changed(
        "a loop for each connection",
        "✓✗✗✗✗✗✗✓",
        "got different numbers at the same time",
        source="""
            async def handler(self, websocket, every=1.0):
                while True:
                    await websocket.send(json.dumps(self.measure()))
                    await asyncio.sleep(every)
        """,
    ),
    changed(
        "the sampler waits with time.sleep()",
        "!!!!!!!!",
        "blocked the event loop in sample()",
        source="""
            async def sample(self, every=1.0):
                while True:
                    time.sleep(every)
                    broadcast(self.clients, json.dumps(self.measure()))
        """,
    ),
    changed(
        "cpu_percent(interval=1), which waits",
        "!!!!!!!!",
        "blocked the event loop in measure()",
        source="""
            def measure(self):
                return super().measure() | {"cpu": psutil.cpu_percent(interval=1)}
        """,
    ),
    changed(
        "the sampler belongs to the first who came",
        "✓✓✓✓✓✓✓✗",
        "The sampler must not depend on one client",
        source="""
            async def handler(self, websocket, every=1.0):
                self.catch_up(websocket)
                self.clients.add(websocket)
                try:
                    if len(self.clients) == 1:
                        sampling = asyncio.create_task(self.sample(every))
                        await websocket.wait_closed()
                        sampling.cancel()
                    else:
                        await websocket.wait_closed()
                finally:
                    self.clients.discard(websocket)
        """,
    ),
    changed(
        "the first figure of the CPU is sent",
        "✓✓✓✗✓✓✗✓",
        "throw that figure away",
        source="""
            def prime(self):
                pass

            async def pause(self, due, every):
                if not self.last:
                    return due
                return await super().pause(due, every)
        """,
    ),
    changed(
        "primed, and measured at once",
        "✓✓✓✗✓✓✗✓",
        "throw that figure away",
        source="""
            def prime(self):
                super().prime()
                self.first = True

            async def pause(self, due, every):
                if self.first:
                    self.first = False
                    return due
                return await super().pause(due, every)
        """,
    ),
    changed(
        "primed once, not after each rest",
        "✓✓✓✗✓✓✗✓",
        "throw that figure away",
        source="""
            primed = False

            def prime(self):
                if not self.primed:
                    psutil.cpu_percent()
                self.primed = True
        """,
    ),
    changed(
        "the CPU's percent times 100",
        "✗✗✓✓✓✓✓✓",
        "of more than 100; expected percent",
        source="""
            def measure(self):
                return super().measure() | {"cpu": psutil.cpu_percent() * 100}
        """,
    ),
    changed(
        "the memory in bytes",
        "✗✓✓✓✓✓✗✓",
        "of more than 100; expected percent",
        source="""
            def measure(self):
                return super().measure() | {"memory": psutil.virtual_memory().used}
        """,
    ),
    changed(
        "the memory that is free",
        "✗✓✓✓✓✓✗✓",
        "The memory is not the share that is used",
        source="""
            def measure(self):
                memory = psutil.virtual_memory()
                return super().measure() | {"memory": 100 * memory.available / memory.total}
        """,
    ),
    changed(
        "it sleeps a whole beat after each sample",
        "✓✓✓✓✗✓✓✓",
        "each came a little later than the one before",
        source="""
            async def pause(self, due, every):
                await asyncio.sleep(every)
                return due
        """,
    ),
    changed(
        "a beat of a second, whatever `every` says",
        "✗✗✗✗✗✗✗✗",
        "sample() has a parameter `every`, and does not use it",
        source="""
            async def sample(self, every=1.0):
                self.prime()
                due = asyncio.get_running_loop().time()
                while True:
                    due = await self.pause(due, 1.0)
                    self.last.append(json.dumps(self.measure()))
                    broadcast(self.clients, self.last[-1])
        """,
    ),
    changed(
        "the sampler is started without `every`",
        "✗✗✗✗✗✗✗✗",
        "arrive() has a parameter `every`, and does not use it",
        source="""
            def arrive(self, websocket, every):
                self.catch_up(websocket)
                self.clients.add(websocket)
                if self.task is None:
                    self.task = asyncio.create_task(self.sample())
        """,
    ),
    changed(
        "the sampler is called, and no task is made of it",
        "✗✗✗✗✗✗✗✗",
        "asyncio.create_task(sample(every)) starts the sampler",
        source="""
            def arrive(self, websocket, every):
                self.catch_up(websocket)
                self.clients.add(websocket)
                if self.task is None:
                    self.task = self.sample(every)

            def leave(self, websocket):
                self.clients.discard(websocket)
                if not self.clients:
                    self.task = None
        """,
    ),
    beside(
        "the sampler speaks once",
        "✓✗✗✗✗✗✗✗",
        "The sampler has come to its end",
        source="""
            async def sample(self, every=1.0):
                self.prime()
                await asyncio.sleep(every)
                broadcast(self.clients, json.dumps(self.measure()))
        """,
    ),
    beside(
        "one sample, measured before the loop",
        "✓✗✗✗✗✗✗✗",
        "Measure inside of the loop",
        source="""
            async def sample(self, every=1.0):
                self.prime()
                text = json.dumps(self.measure())
                while True:
                    await asyncio.sleep(every)
                    broadcast(self.clients, text)
        """,
    ),
    changed(
        "it does not keep to the beat at all",
        "✓✓✓✓✗✗✓✓",
        "came much faster than one every",
        source="""
            async def pause(self, due, every):
                await asyncio.sleep(0.022)
                return due
        """,
    ),
    changed(
        "a newcomer gets no history",
        "✓✓✓✓✓✗✓✓",
        "Send a newcomer the samples that you kept",
        source="""
            def catch_up(self, websocket):
                _ = len(self.last)
        """,
    ),
    changed(
        "the history backwards",
        "✓✓✓✓✓✗✓✓",
        "Send the oldest first",
        source="""
            def catch_up(self, websocket):
                for text in reversed(self.last):
                    broadcast([websocket], text)
        """,
    ),
    changed(
        "all samples are kept for ever",
        "✓✓✓✓✓✗✓✓",
        "Expected the last 60 of them",
        "was told more",
        source="""
            def __init__(self):
                super().__init__()
                self.last = []
        """,
    ),
    changed(
        "the number of connections is made up",
        "✓✓✗✓✓✓✓✓",
        "Count those in the set",
        source="""
            def measure(self):
                return super().measure() | {"connections": 1}
        """,
    ),
    changed(
        "a newcomer gets the last sample twice",
        "✓✓✓✓✓✗✓✓",
        "got a sample twice",
        source="""
            def catch_up(self, websocket):
                super().catch_up(websocket)
                for text in list(self.last)[-1:]:
                    broadcast([websocket], text)
        """,
    ),
    changed(
        "the sampler never rests",
        "✓✓✓✓✓✓✗✓",
        "the CPU is still measured, for nobody",
        source="""
            def leave(self, websocket):
                self.clients.discard(websocket)
        """,
    ),
    changed(
        "the sampler never starts again",
        "✓✓✓✓✓✓✗✓",
        "must start again",
        source="""
            def leave(self, websocket):
                self.clients.discard(websocket)
                if not self.clients:
                    self.task.cancel()
        """,
    ),
]

RIGHT = [
    changed(
        "one sampler, for as long as somebody is there",
        "✓✓✓✓✓✓✓✓",
        source="""
            pass
        """,
    ),
    changed(
        "send() to all, gathered, from a copy of the set",
        "✓✓✓✓✓✓✓✓",
        source="""
            async def sample(self, every=1.0):
                psutil.cpu_percent()
                due = time.monotonic()
                while True:
                    due += every
                    await asyncio.sleep(max(0, due - time.monotonic()))
                    self.last.append(json.dumps(self.measure()))
                    await asyncio.gather(
                        *(c.send(self.last[-1]) for c in set(self.clients)), return_exceptions=True
                    )
        """,
    ),
    Piece(
        "the sampler runs beside the handlers, and sleeps while nobody is there",
        (
            OURS,
            cell("""
                class WithAnEvent(Sampling):
                    def __init__(self):
                        super().__init__()
                        self.somebody = asyncio.Event()

                    async def sample(self, every=1.0):
                        while True:
                            await self.somebody.wait()
                            psutil.cpu_percent()
                            due = asyncio.get_running_loop().time()
                            while self.clients:
                                due = await self.pause(due, every)
                                if self.clients:
                                    self.last.append(json.dumps(self.measure()))
                                    broadcast(self.clients, self.last[-1])

                    async def handler(self, websocket):
                        self.catch_up(websocket)
                        self.clients.add(websocket)
                        self.somebody.set()
                        try:
                            await websocket.wait_closed()
                        finally:
                            self.clients.discard(websocket)
                            if not self.clients:
                                self.somebody.clear()

                dashboard = WithAnEvent()
            """),
        ),
        "✓✓✓✓✓✓✓✓",
        (),
        "(dashboard.handler, dashboard.sample)",
    ),
    Piece("the notebook's", SOLVED, "✓✓✓✓✓✓✓✓", (), "handler"),
    Piece(
        "closures, and a queue with a task for each client, in a task group",
        (
            cell("""
                import asyncio, json, psutil, websockets
                from collections import deque
                from datetime import datetime, timezone

                def dashboard():
                    queues, kept, sampling = [], deque([], 60), None

                    def measured():
                        sample = {"type": "metrics", "cpu": psutil.cpu_percent()}
                        sample["memory"] = psutil.virtual_memory().percent
                        sample["connections"] = len(queues)
                        sample["timestamp"] = datetime.now(timezone.utc).isoformat()
                        return json.dumps(sample)

                    async def sample(every):
                        loop = asyncio.get_running_loop()
                        psutil.cpu_percent()
                        began, beat = loop.time(), 0
                        while True:
                            beat += 1
                            await asyncio.sleep(began + beat * every - loop.time())
                            kept.append(measured())
                            for queue in queues:
                                queue.put_nowait(kept[-1])

                    async def forward(queue, websocket):
                        while True:
                            await websocket.send(await queue.get())

                    async def handler(websocket, every=1.0):
                        nonlocal sampling
                        queue = asyncio.Queue()
                        for text in kept:
                            queue.put_nowait(text)
                        queues.append(queue)
                        sampling = sampling or asyncio.create_task(sample(every))
                        try:
                            async with asyncio.TaskGroup() as group:
                                forwarding = group.create_task(forward(queue, websocket))
                                await websocket.wait_closed()
                                forwarding.cancel()
                        except* websockets.ConnectionClosed:
                            pass
                        finally:
                            queues.remove(queue)
                            if not queues:
                                sampling.cancel()
                                sampling = None

                    return handler
            """).replace("psutil\n", "psutil, websockets\n", 1),
        ),
        "✓✓✓✓✓✓✓✓",
        (),
        "dashboard()",
    ),
]
