"""Servers for exercise 2 as learners write them, and what check_chat() must say of them.

The criteria, in the order of the marks: welcomed · who is there · come and go · messages · the
server decides · taken · no names · outside · new name · leavers · bad messages.
"""

from tests.gallery import Piece, cell


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The course's own chat, of which some methods are written anew, and wrong."""
    body = cell(source).replace("\n", "\n    ")
    cells = (
        cell("""
            from server.chat import Chat, notice
            from server.messages import Refused, now, text
            from server.room import tell
        """),
        f"class MyChat(Chat):\n    {body}\n",
    )
    return Piece(title, cells, marks, words, "MyChat().handler")


WRONG = [
    changed(
        "the name is taken out of the message",
        "✓✓✓✓✗✓✓✓✓✓✓",
        "never one out of the message",
        source="""
            def take(self, websocket, message):
                if message["type"] == "join":
                    return super().take(websocket, message)
                name = message.get("username", self.name_of(websocket))
                said = {"type": "message", "username": name, "content": message["content"]}
                self.room.broadcast(said | {"timestamp": now()})
        """,
    ),
    changed(
        "the sender does not see it",
        "✓✓✓✗✗✓✓✗✗✓✗",
        "The sender must see it, too.",
        source="""
            def say(self, websocket, content):
                said = {"type": "message", "username": self.name_of(websocket), "content": content}
                self.room.broadcast(said | {"timestamp": now()}, skip=websocket)
        """,
    ),
    changed(
        "only the sender is answered",
        "✓✓✓✗✗✓✓✓✗✓✗",
        "Only the sender was answered",
        source="""
            def say(self, websocket, content):
                said = {"type": "message", "username": self.name_of(websocket), "content": content}
                tell(websocket, said | {"timestamp": now()})
        """,
    ),
    changed(
        "a time without an offset",
        "✓✓✓✗✗✓✓✗✗✓✗",
        "offset from UTC",
        source="""
            def say(self, websocket, content):
                said = {"type": "message", "username": self.name_of(websocket), "content": content}
                self.room.broadcast(said | {"timestamp": "2026-01-01T12:00:00"})
        """,
    ),
    changed(
        "the list goes to the one who joins alone",
        "✓✗✓✓✓✗✓✓✗✓✓",
        "Send the list to everybody",
        source="""
            def join(self, websocket, name):
                self.names[websocket] = name
                self.room.add(websocket)
                tell(websocket, notice(f"Welcome, {name}!"))
                tell(websocket, self.user_list())
                self.room.broadcast(notice(f"{name} joined."), skip=websocket)
        """,
    ),
    changed(
        "the list is sorted",
        "✓✗✓✓✓✓✓✓✓✓✓",
        "joined in this order",
        source="""
            def user_list(self):
                return {"type": "user_list", "users": sorted(self.names.values())}
        """,
    ),
    changed(
        "the one who joins gets the notice, too",
        "✓✓✗✓✓✓✓✓✓✓✓",
        "It is for the others",
        source="""
            def join(self, websocket, name):
                super().join(websocket, name)
                tell(websocket, notice(f"{name} joined."))
        """,
    ),
    changed(
        "nobody is told who leaves",
        "✓✓✗✓✓✓✓✓✓✓✓",
        "forget a client in `finally`",
        source="""
            def leave(self, websocket):
                self.names.pop(websocket, None)
                self.room.remove(websocket)
        """,
    ),
    changed(
        "who leaves is not forgotten",
        "✓✓✗✓✓✓✓✓✗✗✓",
        "forget a client in `finally`",
        source="""
            def leave(self, websocket):
                pass
        """,
    ),
    changed(
        "names are compared with case",
        "✓✓✓✓✓✗✓✓✓✓✓",
        "was taken; Bob got",
        "expected a message of type error",
        source="""
            def join(self, websocket, name):
                if name in self.names.values():
                    raise Refused("taken")
                self.names[websocket] = name
                self.room.add(websocket)
                tell(websocket, notice(f"Welcome, {name}!"))
                self.room.broadcast(notice(f"{name} joined."), skip=websocket)
                self.room.broadcast(self.user_list())
        """,
    ),
    changed(
        "any name will do",
        "✓✓✓✓✓✓✗✓✓✓✓",
        "1 to 20 characters",
        source="""
            accepted = Chat.accepted | {"join": {"username": text(0, 10_000)}}
        """,
    ),
    changed(
        "who has not joined is heard as Anonymous",
        "✓✓✓✓✓✓✓✗✓✓✓",
        "Bob had not joined; Bob got nothing in 1.0 s",
        source="""
            def name_of(self, websocket):
                return self.names.get(websocket, "Anonymous")
        """,
    ),
    changed(
        "who has not joined hears everything",
        "✓✓✓✓✓✓✓✗✓✓✓",
        "A message is for those who have",
        source="""
            async def handler(self, websocket):
                self.room.add(websocket)
                await super().handler(websocket)
                self.room.remove(websocket)
        """,
    ),
    changed(
        "a new name does not take the place of the old one",
        "✓✓✓✓✓✓✓✓✗✗✓",
        "names him twice",
        source="""
            def __init__(self):
                super().__init__()
                self.all = []

            def join(self, websocket, name):
                self.all.append((websocket, name))
                super().join(websocket, name)

            def user_list(self):
                return {
                    "type": "user_list",
                    "users": [n for w, n in self.all if w in self.names],
                }
        """,
    ),
    changed(
        "content of any length",
        "✓✓✓✓✓✓✓✓✓✓✗",
        "expected a message of type error",
        source="""
            accepted = Chat.accepted | {"message": {"content": text(0, 60_000)}}
        """,
    ),
    changed(
        "nobody is welcomed",
        "✗✓✓✓✓✓✓✓✓✓✓",
        "expected a welcome, of type system",
        source="""
            def join(self, websocket, name):
                if name.lower() in map(str.lower, self.names.values()):
                    raise Refused("taken")
                self.names[websocket] = name
                self.room.add(websocket)
                self.room.broadcast(notice(f"{name} joined."), skip=websocket)
                self.room.broadcast(self.user_list())
        """,
    ),
]

RIGHT = [
    Piece(
        "the course's own", ("from server.chat import Chat\n",), "✓✓✓✓✓✓✓✓✓✓✓", (), "Chat().handler"
    ),
    Piece(
        "functions and a dictionary",
        (
            cell("""
                import json
                from datetime import datetime, timezone
                from websockets.asyncio.server import broadcast

                names = {}

                def told(kind, **fields):
                    time = datetime.now(timezone.utc).isoformat()
                    return json.dumps({"type": kind, "timestamp": time} | fields)

                def everybody_learns_who_is_there():
                    users = list(names.values())
                    broadcast(names, json.dumps({"type": "user_list", "users": users}))
            """),
            cell("""
                def problem(websocket, message):
                    if not isinstance(message, dict):
                        return "Expected an object."
                    kind = message.get("type")
                    if kind == "join":
                        name = message.get("username")
                        if not isinstance(name, str) or not name.isprintable():
                            return "A name is text."
                        name = name.strip()
                        if not 1 <= len(name) <= 20:
                            return "A name has 1 to 20 characters."
                        for other, taken in names.items():
                            if other is not websocket and taken.lower() == name.lower():
                                return "Taken."
                    elif kind == "message":
                        if websocket not in names:
                            return "Join first."
                        content = message.get("content")
                        if not isinstance(content, str) or not 1 <= len(content) <= 2000:
                            return "Content is text of 1 to 2,000 characters."
                    else:
                        return "Unknown type."
            """),
            cell("""
                async def handler(websocket):
                    try:
                        async for text in websocket:
                            await take(websocket, text)
                    finally:
                        name = names.pop(websocket, None)
                        if name:
                            broadcast(names, told("system", message=name + " has left"))
                            everybody_learns_who_is_there()

                async def take(websocket, text):
                    try:
                        message = json.loads(text)
                    except ValueError:
                        message = None
                    if wrong := problem(websocket, message):
                        await websocket.send(json.dumps({"type": "error", "message": wrong}))
                    elif message["type"] == "join":
                        others = [w for w in names if w is not websocket]
                        names[websocket] = message["username"].strip()
                        await websocket.send(told("system", message="Hi!"))
                        broadcast(others, told("system", message=names[websocket] + " is here"))
                        everybody_learns_who_is_there()
                    else:
                        who, what = names[websocket], message["content"]
                        broadcast(names, told("message", username=who, content=what))
            """),
        ),
        "",
    ),
    Piece(
        "the list comes before the words, and one waits for each send",
        (
            cell("""
                import asyncio
                from server.chat import Chat, notice
                from server.messages import Refused, encode, now
                from server.room import receive, refuse, send

                class Patient(Chat):
                    async def handler(self, websocket):
                        try:
                            async for message in receive(websocket, self.accepted):
                                try:
                                    await self.dispatch(websocket, message)
                                except Refused as refusal:
                                    await refuse(websocket, str(refusal))
                        finally:
                            if name := self.names.pop(websocket, None):
                                await self.everybody(self.user_list())
                                await self.everybody(notice(f"Goodbye, {name}."))

                    async def everybody(self, message, but=None):
                        sends = [w.send(encode(message)) for w in self.names if w is not but]
                        await asyncio.gather(*sends, return_exceptions=True)

                    async def dispatch(self, websocket, message):
                        if message["type"] == "message":
                            said = message | {"username": self.name_of(websocket)}
                            return await self.everybody(said | {"timestamp": now()})
                        name = message["username"].strip()
                        others = (n for w, n in self.names.items() if w is not websocket)
                        if name.casefold() in map(str.casefold, others):
                            raise Refused("Somebody else has that name.")
                        self.names[websocket] = name
                        await self.everybody(self.user_list())
                        await send(websocket, notice("Welcome."))
                        await self.everybody(notice(f"{name} came."), websocket)
            """),
        ),
        "",
        (),
        "Patient().handler",
    ),
    Piece(
        "a closure, a queue for each client, a task group and match",
        (
            cell("""
                import asyncio, json
                from datetime import datetime, timezone
                from websockets.exceptions import ConnectionClosed

                def chat():
                    queues, names = {}, {}

                    def put(queue, kind, **fields):
                        time = datetime.now(timezone.utc).isoformat()
                        queue.put_nowait(json.dumps({"type": kind, **fields, "timestamp": time}))

                    def tell(kind, but=None, **fields):
                        for name in names:
                            if name != but:
                                put(queues[name], kind, **fields)

                    def enter(me, wanted, queue):
                        name = wanted.strip()
                        taken = (known.lower() for known in names if known != me)
                        if not 1 <= len(name) <= 20 or not name.isprintable():
                            raise ValueError("1 to 20 characters, please.")
                        if name.lower() in taken:
                            raise ValueError("Somebody has that name.")
                        forget(me)
                        queues[name], names[name] = queue, None
                        put(queue, "system", message="You are in.")
                        tell("system", but=name, message=name + " is in.")
                        tell("user_list", users=list(names))
                        return name

                    def forget(me):
                        names.pop(me, None)
                        queues.pop(me, None)

                    def answer(me, text, queue):
                        match json.loads(text):
                            case {"type": "join", "username": str(wanted)}:
                                return enter(me, wanted, queue)
                            case {"type": "message", "content": str(said)} if me and said:
                                if len(said) > 2000:
                                    raise ValueError("2,000 characters at most.")
                                tell("message", username=me, content=said)
                                return me
                        raise ValueError("Not in the table of messages.")

                    async def write(websocket, queue):
                        while True:
                            await websocket.send(await queue.get())

                    async def read(websocket, queue):
                        me = None
                        try:
                            async for text in websocket:
                                try:
                                    me = answer(me, text, queue)
                                except ValueError as wrong:
                                    put(queue, "error", message=str(wrong))
                        finally:
                            if me:
                                forget(me)
                                tell("system", message=me + " is out.")
                                tell("user_list", users=list(names))

                    async def handler(websocket):
                        queue = asyncio.Queue()
                        try:
                            async with asyncio.TaskGroup() as group:
                                writing = group.create_task(write(websocket, queue))
                                await read(websocket, queue)
                                writing.cancel()
                        except* ConnectionClosed:
                            pass

                    return handler
            """),
        ),
        "✓✓✓✓✓✓✓✓✓✓✓",
        (),
        "chat()",
    ),
]
