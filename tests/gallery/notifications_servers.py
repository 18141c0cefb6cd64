"""Servers for exercise 5 as learners write them, and what check_notifications() must say of them.

The criteria, in the order of the marks: id, text and time · ids and texts vary · everybody ·
moments · leavers · tasks.
"""

from tests.gallery import Piece, cell, notebook_cells

NOTE = cell("""
    import asyncio, json, random, time
    from datetime import UTC, datetime
    from uuid import uuid4
    from websockets.asyncio.server import broadcast

    clients = set()

    def note():
        return {
            "type": "notification",
            "id": str(uuid4()),
            "message": random.choice(["Tea is ready", "Bob waves", "It rains", "Goal!"]),
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def notification():
        return json.dumps(note())
""")
PRODUCER = cell("""
    async def pause(pace):
        await asyncio.sleep(random.uniform(*pace))

    async def tell(text):
        broadcast(clients, text)

    async def produce(pace=(1, 3)):
        while True:
            await pause(pace)
            await tell(notification())

    async def handler(websocket):
        clients.add(websocket)
        try:
            async for _ in websocket:
                pass
        finally:
            clients.discard(websocket)
""")
BOTH = "(handler, produce)"


def alone(title: str, marks: str, *words: str, source: str, subject: str = "handler") -> Piece:
    """A handler, and nothing beside it."""
    return Piece(title, (NOTE, cell(source)), marks, words, subject)


def changed(title: str, marks: str, *words: str, source: str, subject: str = BOTH) -> Piece:
    """One producer for all, of which some functions are written anew."""
    return Piece(title, (NOTE, PRODUCER, cell(source)), marks, words, subject)


WRONG = [
    alone(
        "a loop for each connection",
        "✓✓✗✓✓✗",
        "Is there a loop for each connection? One producer is enough",
        source="""
            async def handler(websocket, pace=(5, 15)):
                while True:
                    await asyncio.sleep(random.uniform(*pace))
                    await websocket.send(notification())
        """,
    ),
    alone(
        "a loop for each connection, in a task",
        "✓✓✗✓✓✗",
        "Is there a loop for each connection?",
        source="""
            async def send_notifications(websocket, pace):
                while True:
                    await asyncio.sleep(random.uniform(*pace))
                    await websocket.send(notification())

            async def handler(websocket, pace=(5, 15)):
                asyncio.create_task(send_notifications(websocket, pace))
                await websocket.wait_closed()
        """,
    ),
    alone(
        "the pace stands in the loop",
        "✗✗✗✗✗✗",
        "Your handler sleeps by itself",
        source="""
            async def handler(websocket):
                while True:
                    await asyncio.sleep(random.randint(5, 15))
                    await websocket.send(notification())
        """,
    ),
    changed(
        "the producer waits with time.sleep()",
        "!!!!!!",
        "blocked the event loop in produce()",
        source="""
            async def produce(pace=(1, 3)):
                while True:
                    time.sleep(random.uniform(*pace))
                    broadcast(clients, notification())
        """,
    ),
    changed(
        "only who came last is told",
        "✓✓✗✓✓✓",
        "Alice never got",
        source="""
            async def tell(text):
                broadcast(clients[-1:], text)

            clients = []

            async def handler(websocket):
                clients.append(websocket)
                try:
                    await websocket.wait_closed()
                finally:
                    clients.remove(websocket)
        """,
    ),
    changed(
        "all have the same id",
        "✓✗✓✓✓✓",
        "24 notifications with 1 different ids",
        source="""
            number = str(uuid4())

            def notification():
                return json.dumps(note() | {"id": number})
        """,
    ),
    changed(
        "all have the same text",
        "✓✗✓✓✓✓",
        "all with the same text",
        source="""
            def notification():
                return json.dumps(note() | {"message": "Hi"})
        """,
    ),
    changed(
        "the id is a number",
        "✗✗✓✓✓✓",
        "expected a text as its 'id', got 7",
        source="""
            def notification():
                return json.dumps(note() | {"id": 7})
        """,
    ),
    changed(
        "a time without an offset",
        "✗✓✓✓✓✓",
        "does not say of which time zone",
        source="""
            def notification():
                return json.dumps(note() | {"timestamp": "2026-01-01T10:00:00"})
        """,
    ),
    changed(
        "they come at regular intervals",
        "✓✓✓✗✓✓",
        "came at regular intervals",
        source="""
            async def pause(pace):
                await asyncio.sleep(pace[0])
        """,
    ),
    changed(
        "the pace of the notebook, not the one that is given",
        "✗✗✗✗✗✗",
        "has a parameter `pace`, and does not use it",
        source="""
            async def produce(pace=(1, 3)):
                while True:
                    await asyncio.sleep(random.uniform(1, 3))
                    broadcast(clients, notification())
        """,
    ),
    changed(
        "the producer speaks once",
        "✓✗✗✗✗✓",
        "The producer has come to its end",
        source="""
            async def produce(pace=(1, 3)):
                await asyncio.sleep(random.uniform(*pace))
                broadcast(clients, notification())
        """,
    ),
    changed(
        "one notification, made before the loop",
        "✓✗✗✓✓✓",
        "Make a new one inside of the loop",
        source="""
            async def produce(pace=(1, 3)):
                text = notification()
                while True:
                    await asyncio.sleep(random.uniform(*pace))
                    broadcast(clients, text)
        """,
    ),
    changed(
        "they come as fast as they like",
        "✓✓✓✗✓✓",
        "in less time than that",
        source="""
            async def pause(pace):
                await asyncio.sleep(random.uniform(0.001, 0.04))
        """,
    ),
    changed(
        "randint() for a pace in seconds",
        "!!!!!!",
        "random.randint() takes whole numbers",
        source="""
            async def pause(pace):
                await asyncio.sleep(random.randint(*pace))
        """,
    ),
    changed(
        "who leaves is not forgotten",
        "✓✓✓✓✓✗",
        "Remove a connection in `finally`",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                async for _ in websocket:
                    pass
        """,
    ),
    changed(
        "the producer is not given to the check",
        "✗✗✗✗✗✗",
        "Give the check your producer",
        source="pass",
        subject="handler",
    ),
    changed(
        "a built-in function in place of the handler",
        "✗✗✗✗✗✗",
        "Expected a handler",
        source="pass",
        subject="(len, produce)",
    ),
]

RIGHT = [
    changed("one producer for all, and broadcast()", "✓✓✓✓✓✓", source="pass"),
    Piece(
        "the notebook's",
        tuple(notebook_cells("solutions", "05_notifications", 2)),
        "✓✓✓✓✓✓",
        (),
        BOTH,
    ),
    changed(
        "one send() after the other, from a copy of the set",
        "✓✓✓✓✓✓",
        source="""
            from contextlib import suppress
            from websockets.exceptions import ConnectionClosed

            async def tell(text):
                for client in list(clients):
                    with suppress(ConnectionClosed):  # it may leave while another is sent to
                        await client.send(text)
        """,
    ),
    Piece(
        "the server of the course",
        (
            cell("""
                from server.notifications import Notifications

                mine = Notifications()

                async def produce(pace=(1, 3)):
                    mine.pace = pace
                    await mine.background()
            """),
        ),
        "✓✓✓✓✓✓",
        (),
        "(mine.handler, produce)",
    ),
    alone(
        "a queue for each client, whose handler forwards what the producer puts there",
        "✓✓✓✓✓✓",
        source="""
            queues = set()

            async def produce(pace=(1, 3)):
                while True:
                    await asyncio.sleep(random.uniform(*pace))
                    text = notification()
                    for queue in queues:
                        queue.put_nowait(text)

            async def forward(queue, websocket):
                while True:
                    await websocket.send(await queue.get())

            async def handler(websocket):
                queue = asyncio.Queue()
                queues.add(queue)
                sender = asyncio.create_task(forward(queue, websocket))
                try:
                    await websocket.wait_closed()
                finally:
                    sender.cancel()
                    queues.discard(queue)
        """,
        subject=BOTH,
    ),
    alone(
        "a class whose producer is started by the first who comes",
        "✓✓✓✓✓✓",
        source="""
            class Bell:
                def __init__(self):
                    self.clients, self.task = set(), None

                async def produce(self, pace):
                    while self.clients:
                        await asyncio.sleep(random.uniform(*pace))
                        broadcast(self.clients, notification())

                async def handler(self, websocket, pace=(1, 3)):
                    self.clients.add(websocket)
                    if self.task is None:
                        self.task = asyncio.create_task(self.produce(pace))
                    try:
                        await websocket.wait_closed()
                    finally:
                        self.clients.discard(websocket)
                        if not self.clients:
                            self.task.cancel()
                            self.task = None
        """,
        subject="Bell().handler",
    ),
]
