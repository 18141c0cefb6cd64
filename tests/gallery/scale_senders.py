"""Ways to send to all as learners write them, and what check_scale() must say of them.

The criteria, in the order of the marks: each message once, in order · one who stops reading does
not hold up the others · who leaves too much unread is cut off · who reads a little late stays.
"""

from tests.gallery import Piece, cell

IMPORTS = cell("""
    import asyncio
    from websockets.asyncio.server import broadcast
    from websockets.exceptions import ConnectionClosed

    LIMIT = 2**18
""")


def sender(title: str, marks: str, *words: str, source: str) -> Piece:
    return Piece(title, (IMPORTS, cell(source)), marks, words, subject="say_to_all")


WRONG = [
    sender(
        "sends to nobody",
        "✗–––",
        "Alice got nothing in 1.0 s",
        source="""
            def say_to_all(members, text):
                print("Hello?")
        """,
    ),
    sender(
        "sends twice",
        "✗–––",
        "Alice got one of them twice",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    broadcast([member], text)
        """,
    ),
    sender(
        "sends without await",
        "✗–––",
        "send() was called without `await`, so it never ran",
        source="""
            def say_to_all(members, text):
                for member in members:
                    member.send(text)
        """,
    ),
    sender(
        "one after the other, and waits for each",
        "✓✗––",
        "after some of them Alice and Bob got nothing in 1.0 s",
        "broadcast() does not wait",
        source="""
            async def say_to_all(members, text):
                for member in list(members):
                    await member.send(text)
                    if member.transport.get_write_buffer_size() > LIMIT:
                        member.transport.abort()
        """,
    ),
    sender(
        "gather, which waits for the slowest",
        "✓✗––",
        "Do you await something that waits for Dan",
        source="""
            async def say_to_all(members, text):
                await asyncio.gather(*[member.send(text) for member in members])
        """,
    ),
    sender(
        "gives each of them five seconds",
        "✓✗––",
        "after some of them Alice and Bob got nothing in 1.0 s",
        source="""
            async def say_to_all(members, text):
                for member in list(members):
                    try:
                        await asyncio.wait_for(member.send(text), 5)
                    except TimeoutError:
                        member.transport.abort()
        """,
    ),
    sender(
        "says goodbye to the one who does not read",
        "✓✗––",
        "send() or close()",
        source="""
            async def say_to_all(members, text):
                broadcast(members, text)
                for member in list(members):
                    if member.transport.get_write_buffer_size() > LIMIT:
                        await member.close()
        """,
    ),
    sender(
        "says goodbye in the background",
        "✓✓✗✓",
        "close() will not do, even with `await`",
        source="""
            closing = set()

            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > LIMIT and member not in closing:
                        closing.add(member)
                        asyncio.create_task(member.close())
        """,
    ),
    sender(
        "says goodbye without await",
        "✓✓✗✓",
        "close() will not do, even with `await`",
        "close() was called without `await`, so it never ran",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > LIMIT:
                        member.close()
        """,
    ),
    sender(
        "abort without parentheses",
        "✓✓✗✓",
        "`abort` without parentheses is only the name",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > LIMIT:
                        member.transport.abort
        """,
    ),
    sender(
        "broadcast alone, which keeps everything",
        "✓✓✗✓",
        "All that Dan did not read is still kept for him",
        "member.transport.abort() cuts the line",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
        """,
    ),
    sender(
        "passes over the one who does not read, and keeps the connection",
        "✓✓✗✓",
        "kept for him, or he is",
        source="""
            def say_to_all(members, text):
                size = lambda member: member.transport.get_write_buffer_size()
                broadcast([member for member in members if size(member) <= LIMIT], text)
        """,
    ),
    sender(
        "cuts off everybody when one is behind",
        "✓✗––",
        "Alice was cut off, who does",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                if any(m.transport.get_write_buffer_size() > LIMIT for m in members):
                    for member in members:
                        member.transport.abort()
        """,
    ),
    sender(
        "cuts off whoever has anything unread",
        "✓✓✓✗",
        "Carol was cut off",
        "allow 256 KiB",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > 0:
                        member.transport.abort()
        """,
    ),
    sender(
        "removes from the set while it goes through it",
        "✓!––",
        "Set changed size during iteration",
        "or the loop itself put in or removed one",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > LIMIT:
                        members.remove(member)
                        member.transport.abort()
        """,
    ),
    sender(
        "asks the connection, which has no transport of that name",
        "!–––",
        "has no attribute 'get_write_buffer_size'",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.get_write_buffer_size() > LIMIT:
                        member.abort()
        """,
    ),
]

RIGHT = [
    sender(
        "broadcast, then a look at each",
        "✓✓✓✓",
        source="""
            def say_to_all(members, text):
                broadcast(members, text)
                for member in members:
                    if member.transport.get_write_buffer_size() > LIMIT:
                        member.transport.abort()
        """,
    ),
    sender(
        "an async function that collects who is behind",
        "✓✓✓✓",
        source="""
            async def say_to_all(members, text):
                broadcast(members, text)
                behind = {m for m in members if m.transport.get_write_buffer_size() > LIMIT}
                for member in behind:
                    members.discard(member)
                    member.transport.abort()
        """,
    ),
    sender(
        "looks before it sends",
        "✓✓✓✓",
        source="""
            def say_to_all(members, text):
                for member in tuple(members):
                    if member.transport.get_write_buffer_size() > 2**19:
                        member.transport.abort()
                    else:
                        broadcast([member], text)
        """,
    ),
    Piece(
        "a queue and a task for each, and who has a full queue is cut off",
        (
            IMPORTS,
            cell("""
            queues = {}

            async def send_all(member, queue):
                try:
                    while True:
                        await member.send(await queue.get())
                except ConnectionClosed:
                    queues.pop(member, None)

            def say_to_all(members, text):
                for member in list(members):
                    if member not in queues:
                        queues[member] = asyncio.Queue(40)
                        asyncio.create_task(send_all(member, queues[member]))
                    try:
                        queues[member].put_nowait(text)
                    except asyncio.QueueFull:
                        member.transport.abort()
        """),
        ),
        "✓✓✓✓",
        subject="say_to_all",
        # Two were cut off. The others would end with their server, as a task of a queue does.
        leaves=("task send_all",) * 10,
    ),
]
