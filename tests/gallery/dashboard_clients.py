"""Clients for exercise 6 as learners write them, and what check_dashboard_client() must say.

The criteria, in the order of the marks: the numbers · the last minute · the chart · how old.
"""

from tests.gallery import Piece, cell, notebook_cells

OURS = cell("""
    from collections import deque

    from ipywidgets import HTML, HBox, Label

    from client import Client
    from client.dashboard import plot

    class Screen(Client):
        def build(self):
            self.samples, self.arrived = deque(maxlen=60), 0.0
            self.cpu, self.memory, self.connections = Label("–"), Label("–"), Label("–")
            self.cpu_chart, self.age = HTML(), Label("no data yet")
            self.repeat(0.5, lambda: self.show_age())
            return [HBox([self.cpu, self.memory, self.connections, self.age]), self.cpu_chart]

        def received(self, message):
            if message["type"] == "metrics":
                self.show_numbers(message)
                self.remember(message)
                self.arrived = self._loop.time()
                self.cpu_chart.value = plot("CPU", self.cpu.value, self.points())
                self.show_age()

        def show_age(self):
            if self.samples:
                self.age.value = self.words_for(self._loop.time() - self.arrived)

        def show_numbers(self, message):
            self.cpu.value = f"CPU {message['cpu']:.0f} %"
            self.memory.value = f"Memory {message['memory']:.0f} %"
            self.connections.value = f"{message['connections']} connected"

        def remember(self, message):
            if message not in self.samples:
                self.samples.append(message)

        def points(self):
            first = 61 - len(self.samples)
            return " ".join(f"{x},{100 - s['cpu']:.0f}" for x, s in enumerate(self.samples, first))

        def words_for(self, age):
            if self.state != "connected":
                return "lost"
            return "live" if age < 2 else f"{age:.0f} s old"
""")
SOLVED = tuple(notebook_cells("solutions", "06_dashboard", 8))


def changed(title: str, marks: str, *words: str, source: str) -> Piece:
    """The screen, of which some methods are written anew."""
    body = cell(source).replace("\n", "\n    ")
    cells = OURS, f"class Mine(Screen):\n    {body}\n"
    return Piece(title, cells, marks, words, "Mine")


WRONG = [
    changed(
        "CPU and memory are swapped",
        "✗✓✓✓",
        "came; `cpu` shows",
        "expected",
        source="""
            def show_numbers(self, message):
                super().show_numbers(message | {"cpu": message["memory"], "memory": message["cpu"]})
        """,
    ),
    changed(
        "a number without its unit",
        "✗✓✓✓",
        "write a % after it",
        source="""
            def show_numbers(self, message):
                super().show_numbers(message)
                self.cpu.value = str(message["cpu"])
        """,
    ),
    changed(
        "what comes again after a reconnect is kept twice",
        "✓✗✓✓",
        "Add a sample only if it is not there yet",
        source="""
            def remember(self, message):
                self.samples.append(message)
        """,
    ),
    changed(
        "more than a minute is kept",
        "✓✗✓✓",
        "expected the last 60",
        source="""
            def build(self):
                built = super().build()
                self.samples = []
                return built
        """,
    ),
    changed(
        "the chart is upside down",
        "✓✓✗✓",
        "SVG counts from the top",
        source="""
            def points(self):
                first = 61 - len(self.samples)
                return " ".join(f"{x},{s['cpu']:.0f}" for x, s in enumerate(self.samples, first))
        """,
    ),
    changed(
        "the line begins at the left",
        "✓✓✗✓",
        "Expected the newest at 60",
        source="""
            def points(self):
                return " ".join(f"{x},{100 - s['cpu']:.0f}" for x, s in enumerate(self.samples))
        """,
    ),
    changed(
        "the newest is on the left",
        "✓✓✗✓",
        "Expected the newest at 60",
        source="""
            def points(self):
                return " ".join(f"{60 - x},{100 - s['cpu']}" for x, s in enumerate(self.samples))
        """,
    ),
    changed(
        "it stays live when the connection is lost",
        "✓✓✓✗",
        "expected 'lost'",
        source="""
            def words_for(self, age):
                return "live" if age < 2 else f"{age:.0f} s old"
        """,
    ),
    changed(
        "old data is never called old",
        "✓✓✓✗",
        "words_for(3.2) is 'live', expected '3 s old'",
        source="""
            def words_for(self, age):
                return "live" if self.state == "connected" else "lost"
        """,
    ),
]

RIGHT = [
    Piece("the notebook's", SOLVED, "✓✓✓✓", (), "MyDashboard"),
    changed(
        "a class with a deque",
        "✓✓✓✓",
        source="""
            pass
        """,
    ),
    changed(
        "whole numbers, and ages that are cut off",
        "✓✓✓✓",
        source="""
            def show_numbers(self, message):
                self.cpu.value, self.memory.value = f"{message['cpu']}%", f"{message['memory']}%"
                self.connections.value = str(message["connections"])

            def words_for(self, age):
                if self.state != "connected":
                    return "lost"
                return "live" if age < 2 else f"{int(age)} s old"
        """,
    ),
    changed(
        "samples told apart by their time, and a line drawn from its end",
        "✓✓✓✓",
        source="""
            def remember(self, message):
                if all(message["timestamp"] != known["timestamp"] for known in self.samples):
                    self.samples.append(message)

            def points(self):
                corners, x = [], 60
                for known in reversed(self.samples):
                    corners.insert(0, f"{x:.1f}, {100 - known['cpu']:.1f}")
                    x -= 1
                return " ".join(corners)
        """,
    ),
]
