"""Servers for exercise 1 as learners write them, and what check_connect() must say of them.

The criteria, in the order of the marks: welcomed · you see your message · everybody does · come and
go · ping · echo · bad messages.
"""

from tests.gallery import Piece, cell

FUNCTIONS = cell("""
    import json
    from datetime import UTC, datetime
    from websockets.asyncio.server import broadcast

    guests = {}
    number = 0

    def text(kind, **fields):
        return json.dumps({"type": kind, **fields, "timestamp": datetime.now(UTC).isoformat()})

    def tell_everyone(kind, **fields):
        broadcast(guests, text(kind, **fields))

    def announce(kind, words):
        tell_everyone(kind, message=words, client_count=len(guests))

    def problem_with(message):
        content = message.get("content")
        if not isinstance(content, str):
            return "Expected a field content, a string."
        if not 1 <= len(content) <= 2000:
            return "Expected 1 to 2,000 characters."

    async def answer(websocket, data):
        if isinstance(data, bytes):
            await websocket.send(text("error", message="Expected a text frame."))
            return
        try:
            message = json.loads(data)
        except ValueError:
            await websocket.send(f"Echo: {data}")
            return
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "message":
            await answer_message(websocket, message)
        elif kind == "ping":
            await answer_ping(websocket)
        else:
            await answer_other(websocket, data)

    async def answer_message(websocket, message):
        if problem := problem_with(message):
            await websocket.send(text("error", message=problem))
        else:
            tell_everyone("message", **{"from": guests[websocket], "content": message["content"]})

    async def answer_ping(websocket):
        await websocket.send(text("pong"))

    async def answer_other(websocket, data):
        await websocket.send(text("echo", original=data))
""")

HANDLER = cell("""
    async def handler(websocket):
        global number
        number += 1
        name = guests[websocket] = f"Guest {number}"
        await websocket.send(text("system", message="Welcome!"))
        try:
            announce("user_joined", f"{name} is here.")
            async for data in websocket:
                await answer(websocket, data)
        finally:
            del guests[websocket]
            announce("user_left", f"{name} is gone.")
""")


def again(title: str, marks: str, *words: str, source: str, subject: str = "handler") -> Piece:
    """A right server, in which one more cell was run: it defines something anew, and wrong."""
    return Piece(title, (FUNCTIONS, HANDLER, cell(source)), marks, words, subject)


def alone(title: str, marks: str, *words: str, source: str, subject: str = "handler") -> Piece:
    """A server written from scratch."""
    return Piece(title, (cell(source),), marks, words, subject)


WRONG = [
    again(
        "nobody is welcomed",
        "✗✓✓✓✓✓✓",
        "Alice connected and got",
        'expected {"type": "system", …}',
        source="""
            async def handler(websocket):
                guests[websocket] = f"Guest {id(websocket)}"
                try:
                    announce("user_joined", "Somebody is here.")
                    async for data in websocket:
                        await answer(websocket, data)
                finally:
                    del guests[websocket]
                    announce("user_left", "Somebody is gone.")
        """,
    ),
    again(
        "a welcome without words",
        "✗✓✓✓✓✓✓",
        'expected a field "message" with words in it',
        source="""
            def text(kind, **fields):
                if kind == "system":
                    fields = {"content": "Welcome!"}
                now = datetime.now(UTC).isoformat()
                return json.dumps({"type": kind, **fields, "timestamp": now})
        """,
    ),
    again(
        "a message goes to its sender alone",
        "✓✓✗✓✓✓–",
        "Bob and Carol got nothing in 1.0 s",
        "Only the sender was answered",
        source="""
            def tell_everyone(kind, **fields):
                broadcast(guests, text(kind, **fields))

            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    await websocket.send(text("error", message=problem))
                    return
                said = {"from": guests[websocket], "content": message["content"]}
                await websocket.send(text("message", **said))
        """,
    ),
    again(
        "a message goes to all but its sender",
        "✓✗–✓✓✓–",
        "Alice got nothing in 1.0 s",
        "the sender's screen must change, too",
        source="""
            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    await websocket.send(text("error", message=problem))
                    return
                others = [guest for guest in guests if guest is not websocket]
                said = {"from": guests[websocket], "content": message["content"]}
                broadcast(others, text("message", **said))
        """,
    ),
    again(
        "a message is passed on as it came",
        "✓✗–✓✓✓–",
        'It must say who sent it, in a field "from"',
        source="""
            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    await websocket.send(text("error", message=problem))
                else:
                    broadcast(guests, json.dumps(message))
        """,
    ),
    again(
        "everybody has the same name",
        "✓✓✗✓✓✓–",
        'each sent a message; "from" was the same for both',
        source="""
            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    await websocket.send(text("error", message=problem))
                else:
                    tell_everyone("message", **{"from": "Guest", "content": message["content"]})
        """,
    ),
    again(
        "the name is that of whoever came last",
        "✓✓✗✓✓✓–",
        '"from" was the same for both',
        source="""
            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    await websocket.send(text("error", message=problem))
                else:
                    name = f"Guest {number}"
                    tell_everyone("message", **{"from": name, "content": message["content"]})
        """,
    ),
    again(
        "a time without a time zone",
        "✗✗–✗✗✗–",
        'the field "timestamp" must be a time with its offset from UTC',
        source="""
            def text(kind, **fields):
                return json.dumps({"type": kind, **fields, "timestamp": datetime.now().isoformat()})
        """,
    ),
    again(
        "no time at all",
        "✗✗–✗✗✗–",
        'the field "timestamp" must be a time',
        source="""
            def text(kind, **fields):
                return json.dumps({"type": kind, **fields})
        """,
    ),
    again(
        "a time that JSON does not know",
        "!!–!!!–",
        "datetime is not JSON serializable",
        "Make one of these of it",
        source="""
            def text(kind, **fields):
                return json.dumps({"type": kind, **fields, "timestamp": datetime.now(UTC)})
        """,
    ),
    again(
        "each message is sent twice",
        "✓✗–✓✓✓–",
        "it came more than once",
        source="""
            def tell_everyone(kind, **fields):
                for guest in guests:
                    broadcast([guest, ], text(kind, **fields))
                broadcast(guests, text(kind, **fields))
        """,
    ),
    again(
        "nobody hears of who comes",
        "✓✓✓✗✓✓✓",
        'Alice connected and got {"type": "system"',
        'expected {"type": "user_joined", …}',
        source="""
            def announce(kind, words):
                if kind == "user_left":
                    tell_everyone(kind, message=words, client_count=len(guests))
        """,
    ),
    again(
        "nobody hears of who goes without a goodbye",
        "✓✓✓✗✓✓✓",
        "Bob's line went dead and Alice got nothing",
        "`finally`",
        source="""
            async def handler(websocket):
                global number
                number += 1
                name = guests[websocket] = f"Guest {number}"
                await websocket.send(text("system", message="Welcome!"))
                announce("user_joined", f"{name} is here.")
                async for data in websocket:
                    await answer(websocket, data)
                del guests[websocket]
                announce("user_left", f"{name} is gone.")
        """,
    ),
    again(
        "who left still counts",
        "✓✓✓✗✓✓✓",
        '"client_count" did not go up and down by one',
        source="""
            async def handler(websocket):
                global number
                number += 1
                name = guests[websocket] = f"Guest {number}"
                await websocket.send(text("system", message="Welcome!"))
                try:
                    announce("user_joined", f"{name} is here.")
                    async for data in websocket:
                        await answer(websocket, data)
                finally:
                    announce("user_left", f"{name} is gone.")
        """,
    ),
    again(
        "the count is a text",
        "✓✓✓✗✓✓✓",
        '"client_count" is no integer',
        source="""
            def announce(kind, words):
                tell_everyone(kind, message=words, client_count=f"{len(guests)} guests")
        """,
    ),
    again(
        "the farewell is sent to the one who left, too",
        "✓✓✓✗✓✓✓",
        "and Alice got nothing in 1.0 s",
        'expected {"type": "user_left", …}',
        source="""
            async def handler(websocket):
                global number
                number += 1
                name = f"Guest {number}"
                # In the order of leaving: the one who is gone comes first.
                guests_before = dict(guests)
                guests.clear()
                guests.update({websocket: name, **guests_before})
                await websocket.send(text("system", message="Welcome!"))
                try:
                    announce("user_joined", f"{name} is here.")
                    async for data in websocket:
                        await answer(websocket, data)
                finally:
                    for guest in list(guests):
                        left = {"message": f"{name} left", "client_count": len(guests) - 1}
                        await guest.send(text("user_left", **left))
                    del guests[websocket]
        """,
    ),
    again(
        "a ping is answered to all",
        "✓✓✓✓✗✓✓",
        "Bob got a pong, too. Answer only the sender",
        source="""
            async def answer_ping(websocket):
                tell_everyone("pong")
        """,
    ),
    again(
        "a ping comes back as a ping",
        "✓✓✓✓✗✓✓",
        'expected {"type": "pong", …}',
        source="""
            async def answer_ping(websocket):
                await websocket.send(text("ping"))
        """,
    ),
    again(
        "an echo goes to all",
        "✓✓✓✓✓✗✓",
        "Bob got it, too. Answer only the sender",
        source="""
            async def answer_other(websocket, data):
                tell_everyone("echo", original=data)
        """,
    ),
    again(
        "an echo of the object, not of the text",
        "✓✓✓✓✓✗✓",
        'expected "original" to be the very text',
        source="""
            async def answer_other(websocket, data):
                await websocket.send(text("echo", original=json.loads(data)))
        """,
    ),
    again(
        "an echo of JSON that was written anew",
        "✓✓✓✓✓✗✓",
        'expected "original" to be the very text',
        source="""
            async def answer_other(websocket, data):
                await websocket.send(text("echo", original=json.dumps(json.loads(data))))
        """,
    ),
    again(
        "it dies of plain text",
        "✓✓✓✓✓!✓",
        "raised JSONDecodeError",
        "Catch ValueError around json.loads()",
        source="""
            async def answer(websocket, data):
                if isinstance(data, bytes):
                    await websocket.send(text("error", message="Expected a text frame."))
                    return
                message = json.loads(data)
                kind = message.get("type") if isinstance(message, dict) else None
                if kind == "message":
                    await answer_message(websocket, message)
                elif kind == "ping":
                    await answer_ping(websocket)
                else:
                    await answer_other(websocket, data)
        """,
    ),
    again(
        "it dies of JSON that is no object",
        "✓✓✓✓✓!✓",
        "raised TypeError: list indices",
        "JSON may also be a list",
        source="""
            async def answer(websocket, data):
                if isinstance(data, bytes):
                    await websocket.send(text("error", message="Expected a text frame."))
                    return
                try:
                    message = json.loads(data)
                except ValueError:
                    await websocket.send(f"Echo: {data}")
                    return
                if message["type"] == "message":
                    await answer_message(websocket, message)
                elif message["type"] == "ping":
                    await answer_ping(websocket)
                else:
                    await answer_other(websocket, data)
        """,
    ),
    again(
        "plain text is answered with JSON",
        "✓✓✓✓✓✗✓",
        'and got {"type": "error"',
        "a text frame that is no JSON",
        source="""
            async def answer(websocket, data):
                try:
                    message = json.loads(data)
                except ValueError:
                    await websocket.send(text("error", message="Expected JSON."))
                    return
                kind = message.get("type") if isinstance(message, dict) else None
                if kind == "message":
                    await answer_message(websocket, message)
                elif kind == "ping":
                    await answer_ping(websocket)
                else:
                    await answer_other(websocket, data)
        """,
    ),
    again(
        "any content is taken",
        "✓✓✓✓✓✓✗",
        '"content": 5} and got {"type": "message"',
        'expected {"type": "error", …}',
        source="""
            def problem_with(message):
                if "content" not in message:
                    return "Expected a field content."
        """,
    ),
    again(
        "a missing content ends the handler",
        "✓✓✓✓✓✓!",
        "raised KeyError: 'content'",
        'message.get("content")',
        source="""
            def problem_with(message):
                if len(message["content"]) > 2000:
                    return "Too long."
        """,
    ),
    again(
        "an endless text is taken",
        "✓✓✓✓✓✓✗",
        "2,001 characters; 2,000 are the limit",
        'expected {"type": "error", …}',
        source="""
            def problem_with(message):
                content = message.get("content")
                if not isinstance(content, str) or not content:
                    return "Expected a field content, a string."
        """,
    ),
    again(
        "a binary frame ends the handler",
        "✓✓✓✓✓✓!",
        "raised TypeError",
        "A binary frame comes as bytes",
        source="""
            async def answer(websocket, data):
                try:
                    message = json.loads(data)
                except json.JSONDecodeError:
                    await websocket.send("Echo: " + data)
                    return
                kind = message.get("type") if isinstance(message, dict) else None
                if kind == "message":
                    await answer_message(websocket, message)
                elif kind == "ping":
                    await answer_ping(websocket)
                else:
                    await answer_other(websocket, data)
        """,
    ),
    again(
        "errors go to all",
        "✓✓✓✓✓✓✗",
        "Bob got something of them. Answer only the sender",
        source="""
            async def answer_message(websocket, message):
                if problem := problem_with(message):
                    tell_everyone("error", message=problem)
                else:
                    said = {"from": guests[websocket], "content": message["content"]}
                    tell_everyone("message", **said)
        """,
    ),
    again(
        "the handler says hello and goodbye",
        "✓✗–✗✗✗–",
        "the server closed Alice's connection. Does your handler end",
        source="""
            async def handler(websocket):
                await websocket.send(text("system", message="Welcome!"))
        """,
    ),
    again(
        "time.sleep(60)",
        "✓!–✓!✓–",
        "blocked the event loop in answer_message(), line 7: `time.sleep(60)`",
        source="""
            import time

            async def answer_ping(websocket):
                time.sleep(60)

            async def answer_message(websocket, message):
                time.sleep(60)
        """,
    ),
]

RIGHT = [
    Piece("functions and globals", (FUNCTIONS, HANDLER), "✓✓✓✓✓✓✓"),
    alone(
        "the server of the course",
        "✓✓✓✓✓✓✓",
        source="from server.connect import Connect",
        subject="Connect().handler",
    ),
    again(
        "a loop that passes over those who are gone",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio
            from websockets import ConnectionClosed

            tasks = set()

            async def send_one(guest, message):
                try:
                    await guest.send(message)
                except ConnectionClosed:
                    pass

            def tell_everyone(kind, **fields):
                for guest in list(guests):
                    task = asyncio.create_task(send_one(guest, text(kind, **fields)))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        """,
    ),
    alone(
        "a class with match and a lock",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio, json, uuid
            from datetime import datetime, timedelta, timezone

            class Room:
                def __init__(self):
                    self.lock, self.members = asyncio.Lock(), []

                def pack(self, message):
                    now = datetime.now(timezone(timedelta(hours=2)))
                    return json.dumps({**message, "timestamp": now.isoformat()})

                async def to_all(self, message):
                    async with self.lock:
                        sends = [member.send(self.pack(message)) for member in self.members]
                        await asyncio.gather(*sends, return_exceptions=True)

                async def news(self, kind, who):
                    count = len(self.members)
                    await self.to_all({"type": kind, "message": who, "client_count": count})

                async def take(self, who, ws, data):
                    try:
                        message = json.loads(data) if isinstance(data, str) else {"type": "message"}
                    except ValueError:
                        await ws.send("Echo: " + data)
                        return
                    match message:
                        case {"type": "message", "content": str(words)} if 0 < len(words) <= 2000:
                            await self.to_all({"type": "message", "from": who, "content": words})
                        case {"type": "message"}:
                            error = {"type": "error", "message": "content must be a short text"}
                            await ws.send(self.pack(error))
                        case {"type": "ping"}:
                            await ws.send(self.pack({"type": "pong"}))
                        case _:
                            await ws.send(self.pack({"type": "echo", "original": data}))

                async def talk(self, ws):
                    who = uuid.uuid4().hex
                    await ws.send(self.pack({"type": "system", "message": "Hi " + who}))
                    self.members.append(ws)
                    try:
                        await self.news("user_joined", who)
                        async for data in ws:
                            await self.take(who, ws, data)
                    finally:
                        self.members.remove(ws)
                        await self.news("user_left", who)
        """,
        subject="Room().talk",
    ),
    again(
        "a partial, and a queue for each guest",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio
            from functools import partial
            from websockets import ConnectionClosed

            class Mailbox:
                def __init__(self, websocket):
                    self.queue = asyncio.Queue(100)
                    self.task = asyncio.create_task(self.write(websocket))

                async def send(self, message):
                    await self.queue.put(message)

                async def write(self, websocket):
                    try:
                        while True:
                            await websocket.send(await self.queue.get())
                    except ConnectionClosed:
                        pass

            def tell_everyone(kind, **fields):
                for mailbox in guests:
                    mailbox.queue.put_nowait(text(kind, **fields))

            async def talk(greeting, websocket):
                mailbox = Mailbox(websocket)
                name = guests[mailbox] = f"Guest {len(guests) + 1}"
                await mailbox.send(text("system", message=greeting))
                try:
                    announce("user_joined", f"{name} is here.")
                    async for data in websocket:
                        await answer(mailbox, data)
                finally:
                    mailbox.task.cancel()
                    del guests[mailbox]
                    announce("user_left", f"{name} is gone.")
        """,
        subject='partial(talk, "Welcome!")',
    ),
]
