"""Servers for exercise 4 as learners write them, and what check_counter() must say of them.

The criteria, in the order of the marks: a newcomer is told · add and take away · negative ·
everybody sees a change · one shared value · who leaves is forgotten · bad messages.
"""

from tests.gallery import Piece, cell, notebook_cells

SOLVED = notebook_cells("solutions", "04_counter", 5)


def again(title: str, marks: str, *words: str, source: str, subject: str = "handler") -> Piece:
    """The solved notebook, in which one more cell was run: it defines something anew, and wrong."""
    return Piece(title, (*SOLVED, cell(source)), marks, words, subject)


def alone(title: str, marks: str, *words: str, source: str, subject: str = "handler") -> Piece:
    """A server written from scratch."""
    return Piece(title, (cell(source),), marks, words, subject)


WRONG = [
    again(
        "json.dumps where json.loads is meant",
        "✓!–––––",
        "raised TypeError",
        "in change(), line 4",
        "json.loads() makes an object of text",
        source="""
            def change(text):
                global value
                message = json.dumps(text)
                if message["type"] == "increment":
                    value += 1
                elif message["type"] == "decrement":
                    value -= 1
        """,
    ),
    again(
        "json.dumps where json.loads is meant, with get",
        "✓!–––––",
        "raised AttributeError",
        "json.loads() makes an object of it",
        source="""
            def change(text):
                global value
                message = json.dumps(text)
                if message.get("type") == "increment":
                    value += 1
                elif message.get("type") == "decrement":
                    value -= 1
        """,
    ),
    again(
        "the text is never parsed",
        "✓✗–––––",
        "the value did not change in 1.0 s",
        "does it change the value?",
        source="""
            def change(text):
                global value
                if text == "increment":
                    value += 1
                elif text == "decrement":
                    value -= 1
        """,
    ),
    again(
        "problem_with refuses everything",
        "✓✗–––––",
        'and got {"type": "error"',
        "it must not be refused",
        source="""
            def problem_with(text):
                message = json.dumps(text)
                if not isinstance(message, dict):
                    return "Expected a JSON object."
        """,
    ),
    again(
        "value += 1 without global",
        "✓!–––––",
        "raised UnboundLocalError",
        "`value += 1`",
        "Begin with `global value`",
        source="""
            def change(text):
                message = json.loads(text)
                if message["type"] == "increment":
                    value += 1
                elif message["type"] == "decrement":
                    value -= 1
        """,
    ),
    alone(
        "value += 1 without nonlocal, in a closure",
        "✓!–––––",
        "raised UnboundLocalError",
        "Begin with `nonlocal value`",
        source="""
            import json
            from websockets.asyncio.server import broadcast

            def make_handler():
                value = 0
                clients = set()

                def tell():
                    return json.dumps({"type": "counter", "value": value})

                async def handler(websocket):
                    clients.add(websocket)
                    await websocket.send(tell())
                    try:
                        async for text in websocket:
                            message = json.loads(text)
                            change(message)
                            broadcast(clients, tell())
                    finally:
                        clients.discard(websocket)

                def change(message):
                    value += 1 if message["type"] == "increment" else -1

                return handler
        """,
        subject="make_handler()",
    ),
    again(
        "only the sender is answered",
        "✓✓✓✗–––",
        "got nothing in 1.0 s",
        "got the new value",
        "Only the sender was answered",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    await websocket.send(counter_message())
        """,
    ),
    again(
        "all but the sender are told",
        "✓✓✓✗–––",
        "got nothing in 1.0 s",
        "got the new value",
        "Everybody except the sender was told",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    broadcast(clients - {websocket}, counter_message())
        """,
    ),
    again(
        "nobody is told of a change",
        "✓✓✓✗–––",
        "Alice, Bob and Carol got nothing in 1.0 s",
        "Send it to every connection",
        source="""
            def tell_everyone():
                print(counter_message())
        """,
    ),
    again(
        "only the one who came last is told",
        "✓✓✓✗–––",
        "Alice and Bob got nothing in 1.0 s; Carol got the new value",
        source="""
            async def handler(websocket):
                global clients
                clients = {websocket}
                try:
                    await welcome(websocket)
                    async for text in websocket:
                        await answer(websocket, text)
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "the message is passed on in place of the value",
        "✓✓✓✗–––",
        'Alice, Bob and Carol got {"type": "increment"}, expected the new value',
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    broadcast(clients, text)
        """,
    ),
    again(
        "everybody is told before the value changes",
        "✓✓✓✗–––",
        "Alice, Bob and Carol got a value that is not the new one",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    tell_everyone()
                    change(text)
        """,
    ),
    again(
        "everybody is told too late",
        "✓✗–––––",
        "the value changed by +1 in 1.0 s, expected +",
        source="""
            import asyncio

            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    await asyncio.sleep(2)
                    tell_everyone()
        """,
    ),
    again(
        "a newcomer is told nothing",
        "✗––––––",
        "Alice connected and got nothing in 1.0 s",
        "Send the value to each newcomer",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                try:
                    async for text in websocket:
                        await answer(websocket, text)
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "a newcomer is told 0, whatever the value",
        "✓✗–––––",
        "was told a new value; Carol, who came later, was told another one",
        "tell a newcomer the value of now",
        source="""
            async def welcome(websocket):
                await websocket.send(json.dumps({"type": "counter", "value": 0}))
        """,
    ),
    alone(
        "each connection has a value of its own",
        "✓✗–––––",
        "was told a new value; Carol, who came later, was told another one",
        "Keep the value outside of the handler",
        source="""
            import json

            clients = set()

            async def handler(websocket):
                counter = 0
                clients.add(websocket)
                await websocket.send(json.dumps({"type": "counter", "value": counter}))
                try:
                    async for text in websocket:
                        try:
                            data = json.loads(text)
                            kind = data["type"]
                        except (ValueError, TypeError, KeyError):
                            kind = None
                        if kind == "increment":
                            counter += 1
                        elif kind == "decrement":
                            counter -= 1
                        else:
                            error = {"type": "error", "message": "What?"}
                            await websocket.send(json.dumps(error))
                            continue
                        for client in list(clients):
                            await client.send(json.dumps({"type": "counter", "value": counter}))
                finally:
                    clients.remove(websocket)
        """,
    ),
    again(
        "the value is a text",
        "✗––––––",
        '"value" is a string, expected an integer',
        source="""
            def counter_message():
                return json.dumps({"type": "counter", "value": str(value)})
        """,
    ),
    again(
        "the value is a float",
        "✗––––––",
        '"value" is a decimal number, expected an integer',
        source="""
            value = 0.0
        """,
    ),
    again(
        "the value is true or false",
        "✗––––––",
        '"value" is true or false, expected an integer',
        source="""
            value = False
        """,
    ),
    again(
        "the value is a text when it changes",
        "✓✓✓✗–––",
        "Alice was told and got",
        '"value" is a string, expected an integer',
        source="""
            def tell_everyone():
                broadcast(clients, json.dumps({"type": "counter", "value": str(value)}))
        """,
    ),
    again(
        "the value comes in a binary frame",
        "✗––––––",
        "a binary frame",
        'expected {"type": "counter", …}',
        source="""
            def counter_message():
                return json.dumps({"type": "counter", "value": value}).encode()
        """,
    ),
    again(
        "the field has another name",
        "✗––––––",
        '{"type": "counter", "counter": …}; "value" is missing',
        source="""
            def counter_message():
                return json.dumps({"type": "counter", "counter": value})
        """,
    ),
    again(
        "the number is sent without a message around it",
        "✗––––––",
        'Alice connected and got 0, expected {"type": "counter", …}',
        source="""
            def counter_message():
                return str(value)
        """,
    ),
    again(
        "a constant",
        "✓✗–––––",
        "the value did not change in 1.0 s",
        source="""
            def counter_message():
                return '{"type": "counter", "value": 1}'
        """,
    ),
    again(
        "a step of two",
        "✓✗–––––",
        "the value changed by +",
        "Look at what such a message does",
        source="""
            def change(text):
                global value
                if json.loads(text)["type"] == "increment":
                    value += 2
                else:
                    value -= 2
        """,
    ),
    again(
        "decrement is ignored",
        "✓✗–––––",
        '{"type": "decrement"}; the value did not change',
        source="""
            def change(text):
                global value
                if json.loads(text)["type"] == "increment":
                    value += 1
        """,
    ),
    again(
        "decrement adds, too",
        "✓✗–––––",
        '{"type": "decrement"}; the value changed by +',
        source="""
            def change(text):
                global value
                value += 1
        """,
    ),
    again(
        "the two are exchanged",
        "✓✗–––––",
        '{"type": "increment"}; the value changed by -',
        source="""
            def change(text):
                global value
                if json.loads(text)["type"] == "increment":
                    value -= 1
                else:
                    value += 1
        """,
    ),
    again(
        "it stops at zero",
        "✓✓✗✓✓✓✓",
        "more than there was; the value stopped at zero",
        source="""
            def change(text):
                global value
                if json.loads(text)["type"] == "increment":
                    value += 1
                elif value > 0:
                    value -= 1
        """,
    ),
    again(
        "it stops at zero, with max",
        "✓✓✗✓✓✓✓",
        "more than there was; the value stopped at zero",
        source="""
            def change(text):
                global value
                if json.loads(text)["type"] == "increment":
                    value = value + 1
                else:
                    value = max(0, value - 1)
        """,
    ),
    again(
        "a client that left is never forgotten",
        "✓✓✓✓✓✗✓",
        "still keeps 2 of their connections",
        "`finally`",
        source="""
            def forget(websocket):
                print("Somebody left.")
        """,
    ),
    alone(
        "a client that left stays in a list, and sending to it fails",
        "✓!–––––",
        "raised ConnectionClosed",
        "It sent to a client that had left",
        source="""
            import json

            counter = 0
            connected = []

            def problem(text):
                try:
                    data = json.loads(text)
                except ValueError:
                    return True
                if not isinstance(data, dict):
                    return True
                return data.get("type") not in ("increment", "decrement")

            async def handler(websocket):
                global counter
                connected.append(websocket)
                await websocket.send(json.dumps({"type": "counter", "value": counter}))
                async for text in websocket:
                    if problem(text):
                        await websocket.send(json.dumps({"type": "error", "message": "no"}))
                        continue
                    counter += 1 if json.loads(text)["type"] == "increment" else -1
                    for client in connected:
                        await client.send(json.dumps({"type": "counter", "value": counter}))
        """,
    ),
    alone(
        "a client that left stays in a dictionary",
        "✓✓✓✓✓✗✓",
        "still keeps 2 of their connections",
        source="""
            import asyncio
            import json

            counter = 0
            names = {}

            def text_of_counter():
                return json.dumps({"type": "counter", "value": counter})

            async def handler(websocket):
                global counter
                names[websocket.id] = websocket
                await websocket.send(text_of_counter())
                async for text in websocket:
                    try:
                        data = json.loads(text)
                        step = {"increment": 1, "decrement": -1}[data["type"]]
                    except (ValueError, TypeError, KeyError):
                        await websocket.send(json.dumps({"type": "error", "message": "no"}))
                        continue
                    counter += step
                    sends = [client.send(text_of_counter()) for client in names.values()]
                    await asyncio.gather(*sends, return_exceptions=True)
        """,
    ),
    again(
        "a client is forgotten only if it said goodbye",
        "✓✓✓✓✓✗✓",
        "still keeps 1 of their connections",
        "whichever way a client leaves",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
                async for text in websocket:
                    await answer(websocket, text)
                forget(websocket)
        """,
    ),
    again(
        "all are forgotten when one leaves",
        "✓✓✓✓✓✗✓",
        "Alice got nothing",
        "Forget the one who left, and nobody else",
        source="""
            def forget(websocket):
                clients.clear()
        """,
    ),
    again(
        "the one who came first is forgotten",
        "✓✓✓✓✓✗✓",
        "Alice got nothing",
        "Forget the one who left, and nobody else",
        source="""
            clients = []

            def forget(websocket):
                clients.pop(0)

            async def handler(websocket):
                clients.append(websocket)
                try:
                    await welcome(websocket)
                    async for text in websocket:
                        await answer(websocket, text)
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "a client is removed twice",
        "✓✓✓✓✓!✓",
        "raised KeyError: <websockets.asyncio.server.ServerConnection object>",
        "discard() does not mind",
        source="""
            def forget(websocket):
                clients.remove(websocket)
                clients.remove(websocket)
        """,
    ),
    again(
        "the set changes during the loop",
        "✓!–––––",
        "raised RuntimeError",
        "Somebody came or left during the loop",
        source="""
            from websockets import ConnectionClosed

            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                    return
                change(text)
                for client in clients:
                    try:
                        await client.send(counter_message())
                    except ConnectionClosed:
                        clients.remove(client)

            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
                async for text in websocket:
                    await answer(websocket, text)
        """,
    ),
    again(
        "no await before send, to a newcomer",
        "✗––––––",
        "send() was called without `await`",
        source="""
            async def welcome(websocket):
                websocket.send(counter_message())
        """,
    ),
    again(
        "no await before send, to all",
        "✓✓✓✗–––",
        "send() was called without `await`",
        source="""
            def tell_everyone():
                for client in clients:
                    client.send(counter_message())
        """,
    ),
    again(
        "no await before a function of one's own",
        "✓✓✓✗–––",
        "tell_everyone() was called without `await`",
        source="""
            async def tell_everyone():
                broadcast(clients, counter_message())
        """,
    ),
    again(
        "no await before send, of an error",
        "✓✓✓✓✓✓✗",
        "send() was called without `await`",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "an object is sent as it is",
        "!––––––",
        "raised TypeError",
        "json.dumps() makes text of an object",
        source="""
            async def welcome(websocket):
                await websocket.send({"type": "counter", "value": value})
        """,
    ),
    again(
        "a number is sent as it is",
        "!––––––",
        "raised TypeError",
        "What is sent must be text",
        source="""
            async def welcome(websocket):
                await websocket.send(value)
        """,
    ),
    again(
        "it dies of what is no JSON",
        "✓✓✓✓✓✓!",
        "raised JSONDecodeError",
        "Catch ValueError around json.loads()",
        source="""
            async def answer(websocket, text):
                change(text)
                tell_everyone()
        """,
    ),
    again(
        "it dies of a JSON list",
        "✓✓✓✓✓✓!",
        "raised TypeError: list indices",
        "JSON may also be a list",
        source="""
            def problem_with(text):
                try:
                    message = json.loads(text)
                except ValueError:
                    return "Expected JSON."
                if message["type"] not in ["increment", "decrement"]:
                    return "Expected the type increment or decrement."
        """,
    ),
    again(
        "it dies of null",
        "✓✓✓✓✓✓!",
        "raised TypeError",
        "JSON may also be a list, a number or null",
        source="""
            def problem_with(text):
                try:
                    message = json.loads(text)
                except ValueError:
                    return "Expected JSON."
                if "type" not in message:
                    return "Expected a type."
                if message["type"] not in ["increment", "decrement"]:
                    return "Expected the type increment or decrement."
        """,
    ),
    again(
        "it dies of a missing type",
        "✓✓✓✓✓✓!",
        "raised KeyError: 'type'",
        "Not every message has this field",
        source="""
            def problem_with(text):
                try:
                    message = json.loads(text)
                except ValueError:
                    return "Expected JSON."
                if not isinstance(message, dict):
                    return "Expected an object."
                if message["type"] not in ["increment", "decrement"]:
                    return "Expected the type increment or decrement."
        """,
    ),
    again(
        "it dies of a type that is no text",
        "✓✓✓✓✓✓!",
        "'int' object has no attribute 'lower'",
        "so may each field",
        source="""
            def problem_with(text):
                try:
                    message = json.loads(text)
                except ValueError:
                    return "Expected JSON."
                if not isinstance(message, dict):
                    return "Expected an object."
                if message.get("type", "").lower() not in ["increment", "decrement"]:
                    return "Expected the type increment or decrement."
        """,
    ),
    again(
        "it dies of a type that is a list",
        "✓✓✓✓✓✓!",
        "unhashable",
        '"type" may be a list, too',
        source="""
            def problem_with(text):
                try:
                    message = json.loads(text)
                except ValueError:
                    return "Expected JSON."
                if not isinstance(message, dict):
                    return "Expected an object."
                if message.get("type") not in {"increment", "decrement"}:
                    return "Expected the type increment or decrement."
        """,
    ),
    again(
        "it closes the connection for a bad message",
        "✓✓✓✓✓✓✗",
        "Alice sent hello; the server closed Alice's connection",
        "call close()?",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    await websocket.close()
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "it returns at a bad message",
        "✓✓✓✓✓✓✗",
        "Alice sent hello; the server closed Alice's connection",
        "Does your handler end",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                try:
                    await welcome(websocket)
                    async for text in websocket:
                        if problem_with(text):
                            return
                        change(text)
                        tell_everyone()
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "a bad message is answered with silence",
        "✓✓✓✓✓✓✗",
        'Alice sent hello and got nothing in 1.0 s, expected {"type": "error", …}',
        source="""
            async def answer(websocket, text):
                if not problem_with(text):
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "everything that goes wrong is passed over",
        "✓✓✓✓✓✓✗",
        'Alice sent hello and got nothing in 1.0 s, expected {"type": "error", …}',
        source="""
            async def answer(websocket, text):
                try:
                    change(text)
                    tell_everyone()
                except:
                    pass
        """,
    ),
    again(
        "all are told of a bad message",
        "✓✓✓✓✓✓✗",
        "Bob was told of them, too. Answer only the sender",
        source="""
            async def answer(websocket, text):
                if problem := problem_with(text):
                    broadcast(clients, json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "an error without words",
        "✓✓✓✓✓✓✗",
        'got {"type": "error"}; expected a field "message"',
        source="""
            async def answer(websocket, text):
                if problem_with(text):
                    await websocket.send('{"type": "error"}')
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "an unknown type counts as a decrement",
        "✓✓✓✓✓✓✗",
        'Alice sent {} and got {"type": "counter", "value": …}, expected {"type": "error", …}',
        source="""
            def problem_with(text):
                try:
                    if not isinstance(json.loads(text), dict):
                        return "Expected an object."
                except ValueError:
                    return "Expected JSON."

            def change(text):
                global value
                if json.loads(text).get("type") == "increment":
                    value += 1
                else:
                    value -= 1
        """,
    ),
    again(
        "a bad message is answered, and counts",
        "✓✓✓✓✓✓✗",
        "expected +1. A bad message must not change the value",
        source="""
            async def answer(websocket, text):
                global value
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                    value -= 1
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "the handler returns at once",
        "✓✗–––––",
        "the server closed Bob's connection. Does your handler end",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
        """,
    ),
    again(
        "the handler listens once",
        "✓✗–––––",
        "the server closed Bob's connection. Does your handler end",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                try:
                    await welcome(websocket)
                    text = await websocket.recv()
                    await answer(websocket, text)
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "the handler never listens",
        "✓✗–––––",
        "the value did not change",
        "Does your handler get the message",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                try:
                    await welcome(websocket)
                    await websocket.wait_closed()
                finally:
                    forget(websocket)
        """,
    ),
    again(
        "the handler is no async function",
        "✗––––––",
        "got handler(), which is a function without `async`",
        source="""
            def handler(websocket):
                clients.add(websocket)
                for text in websocket:
                    change(text)
        """,
    ),
    again(
        "the handler has no parameter",
        "!––––––",
        "takes 0 positional arguments",
        "calls your handler with one argument",
        source="""
            async def handler():
                print("Somebody came.")
        """,
    ),
    again(
        "the handler has a parameter too many",
        "!––––––",
        "missing 1 required positional argument: 'path'",
        "calls your handler with one argument",
        source="""
            async def handler(websocket, path):
                clients.add(websocket)
                await welcome(websocket)
                async for text in websocket:
                    await answer(websocket, text)
        """,
    ),
    again(
        "the handler is called, not given",
        "✗––––––",
        "got what handler(…) returns",
        "without parentheses",
        source="""
            def handler_with(clients):
                return handler
        """,
        subject="handler(None)",
    ),
    again(
        "a name that nobody defined",
        "!––––––",
        "raised NameError",
        "Did you mean `counter_message`?",
        source="""
            async def welcome(websocket):
                await websocket.send(counter_mesage())
        """,
    ),
    again(
        "a writer in a task of its own raises",
        "!––––––",
        "raised TypeError: welcome() takes 1 positional argument but 2 were given in handler()",
        source="""
            import asyncio

            async def handler(websocket):
                clients.add(websocket)
                async with asyncio.TaskGroup() as group:
                    group.create_task(welcome(websocket, value))
                    async for text in websocket:
                        await answer(websocket, text)
        """,
    ),
    again(
        "a task that nobody awaits raises",
        "✓✓✓✗–––",
        "A task that nobody awaits raised TypeError",
        "in tell_all(), line 5",
        source="""
            import asyncio

            async def tell_all():
                for client in clients:
                    await client.send({"type": "counter", "value": value})

            def tell_everyone():
                asyncio.create_task(tell_all())
        """,
    ),
    again(
        "a handler that does not end with its client",
        "✓✓✓✓✓✗✓",
        "their handlers still run",
        "must end when its client leaves",
        source="""
            import asyncio

            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
                while True:
                    try:
                        await answer(websocket, await websocket.recv())
                    except Exception:
                        await asyncio.sleep(0.1)
        """,
    ),
    again(
        "a handler that does not even end when it is cancelled",
        "✓✓✓✓✓✗✓",
        "their handlers still run",
        "must end when its client leaves",
        source="""
            import asyncio, time

            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
                until = time.monotonic() + 4  # or else the test would not end either
                while time.monotonic() < until:
                    try:
                        await answer(websocket, await websocket.recv())
                    except:
                        try:
                            await asyncio.sleep(0.1)
                        except:
                            pass
        """,
    ),
    again(
        "messages without end",
        "✓✗–––––",
        "far more messages than anybody sent. Does a loop send on?",
        source="""
            import asyncio

            async def handler(websocket):
                clients.add(websocket)
                while True:
                    await welcome(websocket)
                    await asyncio.sleep(0)
        """,
    ),
    again(
        "time.sleep(1) at each message",
        "✓!–––––",
        "blocked the event loop in answer(), line 4: `time.sleep(1)`",
        "await asyncio.sleep",
        source="""
            import time

            async def answer(websocket, text):
                time.sleep(1)
                if problem := problem_with(text):
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                else:
                    change(text)
                    tell_everyone()
        """,
    ),
    again(
        "it waits between reading the value and writing it",
        "✓✓✓✓✗✓✓",
        "at the same time",
        source="""
            import asyncio

            async def answer(websocket, text):
                global value
                problem = problem_with(text)
                if problem:
                    await websocket.send(json.dumps({"type": "error", "message": problem}))
                    return
                seen = value
                await asyncio.sleep(0.01)
                value = seen + (1 if json.loads(text)["type"] == "increment" else -1)
                tell_everyone()
        """,
    ),
]

BLOCKED = [
    again(
        "time.sleep(60)",
        "!––––––",
        "blocked the event loop in welcome(), line 4: `time.sleep(60)`",
        "await asyncio.sleep",
        source="""
            import time

            async def welcome(websocket):
                time.sleep(60)
                await websocket.send(counter_message())
        """,
    ),
    again(
        "a loop without end",
        "✓!–––––",
        "blocked the event loop in change()",
        "a loop must come to an end",
        source="""
            def change(text):
                global value
                while True:
                    try:
                        value += 1
                    except Exception:
                        break
        """,
    ),
    again(
        "time.sleep(60) in a task of its own",
        "!––––––",
        "blocked the event loop in slow(), line 4",
        source="""
            import asyncio, time

            async def slow(websocket):
                time.sleep(60)

            async def handler(websocket):
                async with asyncio.TaskGroup() as group:
                    group.create_task(slow(websocket))
                    async for text in websocket:
                        pass
        """,
    ),
    again(
        "a bare except around recv() in a loop",
        "!––––––",
        "blocked the event loop in handler()",
        "a loop must come to an end",
        source="""
            async def handler(websocket):
                clients.add(websocket)
                await welcome(websocket)
                while True:
                    try:
                        text = await websocket.recv()
                        await answer(websocket, text)
                    except:
                        pass
        """,
    ),
]

RIGHT = [
    Piece("the solved notebook", tuple(SOLVED), "✓✓✓✓✓✓✓"),
    alone(
        "the server of the course",
        "✓✓✓✓✓✓✓",
        source="from server.counter import Counter",
        subject="Counter().handler",
    ),
    alone(
        "a class with its state, and match",
        "✓✓✓✓✓✓✓",
        source="""
            import json
            from websockets.asyncio.server import broadcast

            class Shared:
                def __init__(self):
                    self.value, self.everybody = 0, set()

                async def talk(self, websocket):
                    self.everybody.add(websocket)
                    try:
                        await websocket.send(self.text())
                        async for text in websocket:
                            await self.take(websocket, text)
                    finally:
                        self.everybody.remove(websocket)

                async def take(self, websocket, text):
                    try:
                        message = json.loads(text)
                    except json.JSONDecodeError as error:
                        message = str(error)
                    match message:
                        case {"type": "increment"}:
                            self.value += 1
                        case {"type": "decrement"}:
                            self.value -= 1
                        case _:
                            words = f"I do not understand {text!r}."
                            await websocket.send(json.dumps({"type": "error", "message": words}))
                            return
                    broadcast(self.everybody, self.text())

                def text(self):
                    return json.dumps({"type": "counter", "value": self.value})
        """,
        subject="Shared().talk",
    ),
    alone(
        "a closure, and gather over a copy of the set",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio, json

            def make_handler(start):
                total, clients = start, set()

                def counter():
                    return json.dumps({"value": total, "type": "counter", "more": [1, 2]})

                async def handler(ws):
                    nonlocal total
                    clients.add(ws)
                    await ws.send(counter())
                    try:
                        async for text in ws:
                            try:
                                step = {"increment": 1, "decrement": -1}[json.loads(text)["type"]]
                            except Exception as error:
                                await ws.send(json.dumps({"type": "error", "message": repr(error)}))
                                continue
                            total += step
                            sends = [client.send(counter()) for client in clients.copy()]
                            await asyncio.gather(*sends, return_exceptions=True)
                    finally:
                        clients.discard(ws)

                return handler
        """,
        subject="make_handler(300)",
    ),
    alone(
        "a queue and a writing task for each client",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio, json
            from websockets import ConnectionClosed

            queues = {}
            value = 0

            async def write(websocket, queue):
                while True:
                    await websocket.send(json.dumps(await queue.get()))

            def tell(*clients):
                for client in clients:
                    queues[client].put_nowait({"type": "counter", "value": value})

            def understand(text):
                try:
                    kind = json.loads(text)["type"]
                    return {"increment": +1, "decrement": -1}.get(kind)
                except (ValueError, TypeError, KeyError):
                    return None

            async def handler(websocket):
                global value
                queues[websocket] = asyncio.Queue()
                tell(websocket)
                try:
                    async with asyncio.TaskGroup() as group:
                        writer = group.create_task(write(websocket, queues[websocket]))
                        async for text in websocket:
                            if step := understand(text):
                                value += step
                                tell(*queues)
                            else:
                                error = {"type": "error", "message": "Expected something else"}
                                queues[websocket].put_nowait(error)
                        writer.cancel()
                except* ConnectionClosed:
                    pass
                finally:
                    del queues[websocket]
        """,
    ),
    alone(
        "a task group that lets the end of its own connection out",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio, json

            value, changed = 0, asyncio.Condition()

            async def tell(websocket):
                told = None
                while True:
                    async with changed:
                        await changed.wait_for(lambda: told != value)
                        told = value
                    await websocket.send(json.dumps({"type": "counter", "value": told}))

            async def listen(websocket):
                global value
                async for text in websocket:
                    try:
                        message = json.loads(text)
                        assert isinstance(message, dict) and isinstance(message["type"], str)
                        step = {"increment": 1, "decrement": -1}[message["type"]]
                    except (ValueError, AssertionError, KeyError):
                        await websocket.send('{"type": "error", "message": "This is wrong."}')
                        continue
                    async with changed:
                        value += step
                        changed.notify_all()

            async def handler(websocket):
                async with asyncio.TaskGroup() as group:
                    writer = group.create_task(tell(websocket))
                    await listen(websocket)
                    writer.cancel()
        """,
    ),
    alone(
        "a functools.partial, with the state as an argument",
        "✓✓✓✓✓✓✓",
        source="""
            import json
            from functools import partial
            from websockets import ConnectionClosed
            from websockets.asyncio.server import broadcast

            async def serve_one(state, websocket):
                state["who"].add(websocket)
                try:
                    await websocket.send(json.dumps({"type": "counter", "value": state["value"]}))
                    while True:
                        text = await websocket.recv()
                        try:
                            message = json.loads(text)
                        except ValueError:
                            message = None
                        kind = message.get("type") if isinstance(message, dict) else None
                        if kind not in ("increment", "decrement"):
                            await websocket.send('{"type": "error", "message": "no"}')
                        else:
                            state["value"] += 1 if kind == "increment" else -1
                            now = {"type": "counter", "value": state["value"]}
                            broadcast(state["who"], json.dumps(now))
                except ConnectionClosed:
                    pass
                finally:
                    state["who"].discard(websocket)
        """,
        subject='partial(serve_one, {"value": -7, "who": set()})',
    ),
    again(
        "a decorated handler, slow but in time",
        "✓✓✓✓✓✓✓",
        source="""
            import asyncio
            import functools

            def logged(function):
                @functools.wraps(function)
                async def logging(websocket):
                    await asyncio.sleep(0.02)
                    await function(websocket)
                return logging

            handler = logged(handler)
        """,
    ),
]
