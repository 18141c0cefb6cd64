"""Servers for exercise 3 as learners write them, and what the check must say of them.

The criteria, in the order of the marks: the others are told · the one who types is not · the name
that the server knows · who has not joined cannot · the chat goes on.
"""

from tests.gallery import Piece, cell, notebook_cells

SOLVED = tuple(
    source
    for source in notebook_cells("solutions", "03_typing_indicator", 1)
    if "ada" not in source and "handler" not in source
)


def relay(title: str, marks: str, *words: str, source: str) -> Piece:
    """The notebook, in which relay() is written so."""
    body = cell(source).replace("\n", "\n        ").rstrip()
    own = (
        "from server.room import tell\n"
        "from websockets.asyncio.server import broadcast\n"
        "import asyncio, json\n\n\n"
        f"class Mine(ChatWithTyping):\n    def relay(self, websocket, message):\n        {body}\n"
    )
    return Piece(title, (*SOLVED, own), marks, words, "Mine().handler")


WRONG = [
    relay(
        "the name is taken out of the message if it has one",
        "✓✓✗✓✓",
        "Anybody can write any name into a message",
        source="""
            name = message.get("username", self.name_of(websocket))
            self.room.broadcast({"type": message["type"], "username": name}, skip=websocket)
        """,
    ),
    relay(
        "the name is taken out of the message, as in many tutorials",
        "!!✗!!",
        "raised KeyError",
        source="""
            told = {"type": message["type"], "username": message["username"]}
            self.room.broadcast(told, skip=websocket)
        """,
    ),
    relay(
        "the message is passed on as it came",
        "✗✗✗✗✗",
        'expected "username"',
        source="""
            self.name_of(websocket)
            self.room.broadcast(message, skip=websocket)
        """,
    ),
    relay(
        "the sender is told, too",
        "✓✗✓✓✓",
        "leave out the sender",
        source="""
            self.room.broadcast({"type": message["type"], "username": self.name_of(websocket)})
        """,
    ),
    relay(
        "only the sender is told",
        "✗✗✗✗✗",
        "expected a message of type",
        source="""
            tell(websocket, {"type": message["type"], "username": self.name_of(websocket)})
        """,
    ),
    relay(
        "stop_typing is passed on as typing",
        "✗✗✗✓✓",
        "expected a message of type 'stop_typing'",
        source="""
            told = {"type": "typing", "username": self.name_of(websocket)}
            self.room.broadcast(told, skip=websocket)
        """,
    ),
    relay(
        "who has not joined has no name, and a KeyError",
        "✓✓✓✗✓",
        "relay() raised a KeyError. Use name_of()",
        source="""
            told = {"type": message["type"], "username": self.names[websocket]}
            self.room.broadcast(told, skip=websocket)
        """,
    ),
    relay(
        "who has not joined types as nobody",
        "✓✓✓✗✓",
        "Use name_of(), which refuses who has not joined",
        source="""
            told = {"type": message["type"], "username": self.names.get(websocket)}
            self.room.broadcast(told, skip=websocket)
        """,
    ),
    relay(
        "words in place of a message",
        "✗✗✗✗✗",
        "expected a message of type 'typing'",
        source="""
            words = f"{self.name_of(websocket)} is typing"
            self.room.broadcast({"type": "system", "message": words}, skip=websocket)
        """,
    ),
    relay(
        "encoded twice",
        "✗✗✗✗✗",
        "expected a message of type 'typing'",
        source="""
            told = {"type": message["type"], "username": self.name_of(websocket)}
            self.room.broadcast(json.dumps(told), skip=websocket)
        """,
    ),
    relay(
        "a list of names in place of a name",
        "✗✗✗✗✗",
        'expected "username"',
        source="""
            names = [self.name_of(websocket)]
            self.room.broadcast({"type": message["type"], "username": names}, skip=websocket)
        """,
    ),
    Piece(
        "the chat is cut off",
        (
            *SOLVED,
            cell("""
                class Mine(ChatWithTyping):
                    def take(self, websocket, message):
                        self.relay(websocket, message)

                    def relay(self, websocket, message):
                        told = {"type": message["type"], "username": self.name_of(websocket)}
                        self.room.broadcast(told, skip=websocket)
            """),
        ),
        "✗✗✗✗✗",
        ("expected a user list with that name",),
        "Mine().handler",
    ),
]

RIGHT = [
    Piece(
        "the course's own",
        ("from server.typing_indicator import TypingIndicator\n",),
        "✓✓✓✓✓",
        (),
        "TypingIndicator().handler",
    ),
    Piece(
        "the notebook's",
        tuple(notebook_cells("solutions", "03_typing_indicator", 1)[2:]),
        "✓✓✓✓✓",
        (),
        "MyChat().handler",
    ),
    relay(
        "with the library's broadcast",
        "✓✓✓✓✓",
        source="""
            text = json.dumps({**message, "username": self.name_of(websocket)})
            broadcast([other for other in self.names if other is not websocket], text)
        """,
    ),
    relay(
        "one at a time, in tasks",
        "✓✓✓✓✓",
        source="""
            told = json.dumps({"username": self.name_of(websocket), "type": message["type"]})
            for other in set(self.names) - {websocket}:
                asyncio.ensure_future(other.send(told))
        """,
    ),
    Piece(
        "closures, a queue with a task for each client, and match",
        (
            cell("""
                import asyncio, json
                from datetime import datetime, timezone

                def chat():
                    names, queues = {}, {}

                    def put(to, kind, **fields):
                        time = datetime.now(timezone.utc).isoformat()
                        for websocket in to:
                            queues[websocket].put_nowait(
                                json.dumps({"type": kind, **fields, "timestamp": time})
                            )

                    def others(websocket):
                        return [other for other in names if other is not websocket]

                    def take(websocket, text):
                        match json.loads(text):
                            case {"type": "join", "username": str(name)} if name.strip():
                                names[websocket] = name.strip()
                                put([websocket], "system", message="Hello, " + name)
                                put(others(websocket), "system", message=name + " is here.")
                                put(names, "user_list", users=list(names.values()))
                            case {"type": "message", "content": str(content)}:
                                name = names[websocket]
                                put(names, "message", username=name, content=content)
                            case {"type": "typing" | "stop_typing" as kind}:
                                put(others(websocket), kind, username=names[websocket])
                            case _:
                                put([websocket], "error", message="The type is unknown.")

                    async def pump(websocket):
                        while True:
                            await websocket.send(await queues[websocket].get())

                    async def handler(websocket):
                        queues[websocket] = asyncio.Queue()
                        task = asyncio.create_task(pump(websocket))
                        try:
                            async for text in websocket:
                                try:
                                    take(websocket, text)
                                except (ValueError, KeyError) as wrong:
                                    put([websocket], "error", message="Join first: " + repr(wrong))
                        finally:
                            task.cancel()
                            if name := names.pop(websocket, None):
                                put(names, "system", message=name + " has left.")
                                put(names, "user_list", users=list(names.values()))
                            del queues[websocket]

                    return handler
            """),
        ),
        "✓✓✓✓✓",
        (),
        "chat()",
    ),
]
