"""What tools/build_notebooks.py makes of a notebook, and what it refuses, in which words."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from nbformat import NotebookNode, v4

TOOL = Path(__file__).parents[1] / "tools" / "build_notebooks.py"
spec = importlib.util.spec_from_file_location("build_notebooks", TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

# A stand-in for a check, whose report says what has become of the learner's counter.
CHECK = dedent("""
    class Report(str):
        def __repr__(self):
            return self


    async def check_counter(value):
        mark = "–" if value is None else "✓" if value == 1 else "✗"
        return Report(f"{mark} it counts\\n    as sent\\n1 criterion: see above")
""").strip()
STUB = "counter = None\n### BEGIN SOLUTION\ncounter = 1\n### END SOLUTION"


def code(source: str, *tags: str, **more: object) -> NotebookNode:
    cell = v4.new_code_cell(source, **more)
    if tags:
        cell.metadata.tags = list(tags)
    return cell


def book(*cells: NotebookNode | str) -> NotebookNode:
    """A notebook; a text becomes a code cell. Ids are c1, c2, ..."""
    nodes = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, node in enumerate(nodes, 1):
        node.id = f"c{number}"
    return v4.new_notebook(cells=nodes)


def save(root: Path, notebook: NotebookNode, name: str = "solutions/04_counter.ipynb") -> Path:
    file = root / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(v4.writes(notebook), encoding="utf-8")
    return file


def files(root: Path) -> dict[str, bytes]:
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in sorted(root.glob("*/*"))}


# Without a kernel: tidying


def test_tidy_keeps_only_what_the_course_needs():
    old = book(
        code("x = 1  \n\n", "nbval-ignore-output", execution_count=7),
        v4.new_markdown_cell("two spaces  \nbreak a line\n", attachments={"a.png": {}}),
        code("  \n"),
    )
    old.metadata = {"widgets": {}, "kernelspec": {"name": "other"}, "language_info": {"version": 1}}
    old.cells[0].metadata |= {"execution": {"iopub.status.busy": "now"}, "collapsed": True}
    old.cells[0].metadata.tags *= 2
    new = tool.tidy(old)
    assert (new.nbformat, new.nbformat_minor) == (4, 5)
    assert new.metadata == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    stub, text = new.cells  # the empty cell is gone
    assert (stub.source, stub.execution_count, stub.outputs) == ("x = 1", None, [])
    assert stub.metadata == {"tags": ["nbval-ignore-output"]}
    assert (text.source, text.metadata) == ("two spaces  \nbreak a line", {})
    assert text.attachments == {"a.png": {}}
    nbformat.validate(new)


def test_valid_unique_ids_stay_and_others_become_stable():
    old = book("1", "2", "3", "4", "5")
    for cell, id_ in zip(old.cells, ["kept", "kept", "not valid!", "cell-03", None], strict=True):
        cell.id = id_
    del old.cells[4]["id"]
    once = tool.tidy(old)
    assert [c.id for c in once.cells] == ["kept", "cell-02", "cell-04", "cell-03", "cell-05"]
    assert tool.tidy(once) == once


# Without a kernel: solution marks


def test_the_solution_is_taken_away_with_its_marks():
    solution = book(
        v4.new_markdown_cell("### BEGIN SOLUTION is how a solution is marked"),
        "def f():\n    '''Add.'''\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n",
        "### BEGIN SOLUTION\nx = 1\n### END SOLUTION\nprint(2)\n"
        "### BEGIN SOLUTION\n    y = 2\n  ### END SOLUTION",
    )
    exercise = tool.without_solution(solution, "n")
    assert [c.source for c in exercise.cells[1:]] == ["def f():\n    '''Add.'''", "print(2)"]
    assert exercise.cells[0] == solution.cells[0]
    assert "return 1" in solution.cells[1].source
    assert tool.only_adds_lines(exercise, solution)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "### BEGIN SOLUTION\nx = 1",
            "n, cell 1 (c1), line 1: the solution that begins here does ",
        ),
        ("x = 1\n### END SOLUTION", "n, cell 1 (c1), line 2: a solution ends, but none has begun."),
        (
            "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
            "n, cell 1 (c1), line 2: a solution begins inside that of line 1.",
        ),
        ("### BEGIN SOLUTION:", "'### BEGIN SOLUTION:' is not a solution mark. Write ### BEGIN"),
        ("## begin solution", "'## begin solution' is not a solution mark."),
        ("x = 1  ### END SOLUTION", "alone on its line."),
    ],
)
def test_marks_that_do_not_pair_are_refused(source, words):
    with pytest.raises(tool.BuildError) as refusal:
        tool.without_solution(book(source), "n")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("exercise", "adds"),
    [
        (("a\nc", ""), True),
        (("c\na", ""), False),
        (("a\nA", ""), False),
        (("a", "d", "e"), False),
        (("a",), False),
    ],
)
def test_solving_only_adds_lines(exercise, adds):
    assert tool.only_adds_lines(book(*exercise), book("a\nb\nc", "d")) is adds


# Without a kernel: what is stored


def stored(*outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    notebook = book(code("f()", *tags, execution_count=3, outputs=list(outputs)))
    tool.store_stable(notebook)
    return notebook.cells[0]


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def shown(text: str, kind: str = "text/plain") -> NotebookNode:
    return v4.new_output("display_data", {kind: text})


def test_adjoining_streams_are_merged_stdout_first():
    outputs = [stream("a"), stream("E", "stderr"), stream("b"), shown("x"), stream("c")]
    merged = stored(*outputs).outputs
    assert [o.get("text") for o in merged] == ["ab", "E", None, "c"]
    assert stored(*outputs).execution_count == 3


def test_a_cell_with_a_widget_is_stored_unrun():
    cell = stored(stream("a"), shown({"model_id": "1"}, tool.WIDGET_VIEW))
    assert (cell.execution_count, cell.outputs) == (None, [])


def test_a_cell_tagged_as_not_compared_is_stored_unrun():
    cell = stored(stream("a"), tags=("nbval-ignore-output",))
    assert (cell.execution_count, cell.outputs) == (None, [])


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (stream("<object at 0x7f3a2b1c4d50>"), "a memory address, 0x7f3a2b1c4d50"),
        (shown("<p>file:///home/ann/x.py</p>", "text/html"), "an absolute path, /home/ann/x.py"),
        (stream("'C:\\\\Users\\\\ann'"), "an absolute path, C:"),
        (stream(f"in {sys.prefix}/lib"), f"an absolute path, {sys.prefix}"),
        (shown("cwd is /course"), "an absolute path, /course, which will differ elsewhere"),
        (v4.new_output("error", ename="E", evalue="no '/tmp/x'"), "an absolute path, /tmp/x"),
        (stream("ws://127.0.0.1:20040/"), "a port of this run, :20040"),
        (stream("{'port': 20041}"), "a port of this run, port': 20041"),
    ],
)
def test_outputs_that_differ_elsewhere_are_refused(output, words):
    notebook = book(code("f()", outputs=[output]))
    [problem] = tool.unstable(notebook, "n", Path("/course"), range(20_040, 20_060))
    assert problem.startswith("n, cell 1 (c1): its output holds ")
    assert words in problem
    assert problem.endswith("or tag the cell nbval-ignore-output.")


def test_outputs_that_only_look_like_it_are_taken():
    text = "0x81 0x37fa213d http://example.org/home/tmp GET /courses 20040 messages, 10/20"
    notebook = book(code("f()", outputs=[stream(text), shown("/tmp/aaaa", "image/png")]))
    assert not list(tool.unstable(notebook, "n", Path("/course"), range(20_040, 20_060)))


# Without a kernel: what a notebook must keep to


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("await check_counter(handler)", True),
        ("checks.check_counter(1)", True),
        ("%matplotlib inline\nawait check_counter(handler)", True),
        ("from checks import check_counter", False),
        ("def check_x(): pass", False),
        ("recheck_it()", False),
        ("x = = 1", False),
    ],
)
def test_a_check_cell_is_known_by_its_call(source, calls):
    assert tool.calls_a_check(source) is calls


def reported(report: str | None, mark: str) -> list[str]:
    outputs = []
    if report:
        outputs = [v4.new_output("execute_result", {"text/plain": report}, execution_count=1)]
    return list(tool.wrong_reports(book(code("check_x()", outputs=outputs)), "n", mark))


@pytest.mark.parametrize("mark", ["✓", "–"])
def test_reports_are_held_against_the_mark(mark):
    assert not reported(f"{mark} a\n  ✗ detail\n\n{mark} b\n2 criteria: fine", mark)
    assert not reported(f"{mark} a", mark)
    [problem] = reported(f"{mark} a\n✗ b — no\n! c — raised\n3 criteria", mark)
    assert problem == f"n, cell 1 (c1): {tool.MUST_BE[mark]}, but:\n    ✗ b — no\n    ! c — raised"
    for nothing in (None, "0 criteria: none"):
        [problem] = reported(nothing, mark)
        assert problem.startswith("n, cell 1 (c1): its check shows no report. The call must be ")


def test_a_passed_stub_and_a_solution_not_attempted_are_refused():
    assert "an untouched stub must come out as not attempted" in reported("✓ a\n1", "–")[0]
    assert "in a solution every criterion must come out as passed" in reported("– a\n1", "✓")[0]


def lines(number: int) -> str:
    """A cell of so many lines that count, and of others that do not."""
    counted = "\n\n# why\n".join(["x = 1"] * number)
    return f"### BEGIN SOLUTION\n{counted}\n### END SOLUTION"


def test_long_code_cells_are_refused():
    assert not list(tool.too_long(book(), "n"))
    assert not list(tool.too_long(book(*[lines(5)] * 9, lines(13)), "n"))
    [median] = tool.too_long(book(lines(6), lines(6)), "n")
    assert median == "n: its code cells have 6 lines (median), not 5 or less."
    [long] = tool.too_long(book(*[lines(5)] * 8, lines(13)), "n")
    assert long == (
        "n: 1 of 9 code cells have more than 12 lines, expected at most one in ten: cell 9 has 13."
    )


def test_unused_imports_and_undefined_names_are_refused():
    notebook = book(
        v4.new_markdown_cell("Text"),
        "import json, re",
        "await missing(json)",
        code("unknown", "raises-exception"),
        "display(Out, _)",
    )
    unused, undefined = tool.wrong_names(notebook, "n")
    assert unused == "n, cell 2 (c2): `re` imported but unused."
    assert undefined == "n, cell 3 (c3): Undefined name `missing`."


# Without a kernel: the command line and the folders


def test_help_is_complete(capsys):
    with pytest.raises(SystemExit) as end:
        tool.main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert all(word in text for word in ("STEM", "--check", "--root", "### BEGIN SOLUTION"))
    assert all(word in text for word in ("nbval-ignore-output", "raises-exception", "Exit codes"))


def test_a_notebook_without_solution_and_an_unknown_stem_are_refused(tmp_path, capsys):
    save(tmp_path, book(), "notebooks/05_alone.ipynb")
    assert tool.main(["--check", "--root", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("notebooks/05_alone.ipynb has no solution. notebooks/ is generated")
    assert said.out == "To put right: 1.\n"
    assert tool.build(tmp_path, ["chat"]) == ["No solution is called chat. There are: none."]


def test_stems_choose_solutions(tmp_path):
    counter, chat = (save(tmp_path, book(), f"solutions/{n}.ipynb") for n in ("04_counter", "chat"))
    assert tool.chosen(tmp_path, ["counter"]) == tool.chosen(tmp_path, ["04_counter"]) == [counter]
    assert tool.chosen(tmp_path, ["chat", "counter", "04_counter"]) == [counter, chat]
    assert tool.chosen(tmp_path, []) == [counter, chat]


def test_what_is_no_notebook_is_refused(tmp_path):
    save(tmp_path, book()).write_text("<<<<<<< HEAD", encoding="utf-8")
    [problem] = tool.build(tmp_path)
    assert problem.startswith("solutions/04_counter.ipynb is not a notebook: Expecting value")


def test_the_ports_are_free_and_in_a_row():
    ports = tool.free_ports()
    assert len(ports) == 20
    for port in ports:
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_a_difference_names_the_cell_and_is_short():
    old = book("same", "x = 1", code("print(1)", outputs=[stream("1\n")]))
    new = book("same", "x = 2", code("print(1)", outputs=[stream("2\n")]))
    assert tool.difference(old, new) == (
        "  cell c2 (- stored, + built):\n    -x = 1\n    +x = 2\n"
        "  cell c3 (- stored, + built):\n    -⇒ 1\n    +⇒ 2\n"
        "  Where an output is never the same, tag its cell nbval-ignore-output."
    )
    assert "... and 38 more lines" in tool.difference(book("x"), book("\n".join(["y"] * 49)))
    assert tool.difference(old, old).startswith("  Only metadata, counts, pictures")


# With a kernel


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A small course: an exercise with a stub, and a notebook without. Built once."""
    root = tmp_path_factory.mktemp("course")
    (root / "checks_of_this_tree.py").write_text("VALUE = 'found'\n", encoding="utf-8")
    counter = book(
        v4.new_markdown_cell("# Counter ±"),
        CHECK,
        STUB,
        "await check_counter(counter)",
        "import ipywidgets\nprint('beside the widget')\nipywidgets.Label('live')",
        code("import json\njson.loads('{')", "raises-exception"),
        code("import os\nos.environ['COURSE_FIRST_PORT'], os.getcwd()", "nbval-ignore-output"),
        "print(os.environ['COURSE_FIRST_PORT'].isdigit(), os.path.basename(os.getcwd()))",
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three', flush=True)",
        code("1 / 0", "nbval-skip"),
        "from checks_of_this_tree import VALUE\nVALUE",
    )
    counter.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    save(root, counter)
    save(root, book("print('±')", CHECK, "await check_counter(1)"), "solutions/01_connect.ipynb")
    assert tool.build(root) == []
    return root


def cells(course: Path, folder: str) -> list[NotebookNode]:
    return nbformat.read(course / folder / "04_counter.ipynb", as_version=4).cells


def test_the_built_notebooks_differ_by_the_solution_alone(course):
    solution, exercise = cells(course, "solutions"), cells(course, "notebooks")
    assert [c.id for c in solution] == [c.id for c in exercise]
    assert solution[2].source == STUB
    assert exercise[2].source == "counter = None"
    assert solution[3].outputs[0].data["text/plain"].startswith("✓ it counts\n    as sent\n1 ")
    assert exercise[3].outputs[0].data["text/plain"].startswith("– it counts")


@pytest.mark.parametrize("folder", ["solutions", "notebooks"])
def test_outputs_are_stored_as_nbval_wants_them(course, folder):
    stub, check, widget, raises, ignored, told, streams, skipped, tree = cells(course, folder)[2:]
    for unrun in (widget, ignored, skipped):
        assert (unrun.execution_count, unrun.outputs) == (None, [])
    assert (stub.execution_count, stub.outputs) == (2, [])
    assert check.execution_count == check.outputs[0].execution_count == 3
    assert told.outputs[0].text == f"True {folder}\n"
    assert [(o.name, o.text) for o in streams.outputs] == [
        ("stdout", "one\nthree\n"),
        ("stderr", "two\n"),
    ]
    assert tree.outputs[0].data["text/plain"] == "'found'"
    traceback = tool.ANSI.sub("", "\n".join(raises.outputs[0].traceback))
    assert "In[5], line 2" in traceback
    assert "JSONDecodeError: Expecting property name" in traceback
    assert "decoder.py" not in traceback
    assert all(cell.metadata == {} for cell in (stub, check, widget, told))


def test_the_files_are_written_as_nbformat_writes_them(course):
    for name, content in files(course).items():
        if name.endswith(".ipynb"):
            text = content.decode()
            notebook = json.loads(text)
            assert text == json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
            assert "±" in text
            assert sorted(notebook["metadata"]) == ["kernelspec", "language_info"]
    both = files(course)
    assert both["solutions/01_connect.ipynb"] == both["notebooks/01_connect.ipynb"]


def test_a_second_build_is_identical_and_writes_nothing(course, capsys):
    before = files(course), {p: p.stat().st_mtime_ns for p in course.glob("*/*.ipynb")}
    assert tool.main(["--root", str(course)]) == 0
    assert before == (files(course), {p: p.stat().st_mtime_ns for p in course.glob("*/*.ipynb")})
    assert capsys.readouterr().out == "All notebooks are as they should be.\n"


def test_nbval_finds_the_same_outputs(course):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", "notebooks/04_counter.ipynb"]
    environment = os.environ | {
        "PYTHONPATH": str(course),
        "COURSE_FIRST_PORT": str(tool.free_ports()[0]),
    }
    nbval = subprocess.run(
        command, cwd=course, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert nbval.returncode == 0, nbval.stdout
    assert "9 passed, 1 skipped" in nbval.stdout


def test_drift_is_refused_and_nothing_written(course, tmp_path):
    """An edited exercise, a solution as JupyterLab may leave it, and a missing notebook."""
    for folder in ("solutions", "notebooks"):
        notebook = book("print('±')", CHECK, "await check_counter(1)")
        if folder == "notebooks":
            built = (course / "notebooks/01_connect.ipynb").read_text(encoding="utf-8")
            notebook = v4.reads(built.replace("check_counter(1)", "check_counter(2)"))
        save(tmp_path, notebook, f"{folder}/01_connect.ipynb")
    save(tmp_path, book("import nowhere_to_be_found"), "solutions/02_not_asked_for.ipynb")
    before = files(tmp_path)
    solution, exercise = tool.build(tmp_path, ["connect"], check=True)
    assert files(tmp_path) == before
    assert solution.startswith(
        "solutions/01_connect.ipynb is not what solutions/01_connect.ipynb gives. "
        "Run: python tools/build_notebooks.py\n  cell c1 (- stored, + built):\n    +⇒ ±\n"
    )
    assert exercise == (
        "notebooks/01_connect.ipynb is not what solutions/01_connect.ipynb gives. "
        "Run: python tools/build_notebooks.py\n  cell c3 (- stored, + built):\n"
        "    -await check_counter(2)\n    +await check_counter(1)"
    )
    (tmp_path / "notebooks/01_connect.ipynb").unlink()
    missing = tool.drift(tmp_path / "notebooks/01_connect.ipynb", "")
    assert missing == "notebooks/01_connect.ipynb is missing. Run: python tools/build_notebooks.py"


def test_a_build_writes_and_tells_what_a_check_would_refuse(tmp_path, capsys):
    already_done = book(
        CHECK, "counter = 1", STUB.replace("None", "1"), "await check_counter(counter)", "object()"
    )
    save(tmp_path, already_done)
    assert tool.main(["--root", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == (
        "wrote solutions/04_counter.ipynb\nwrote notebooks/04_counter.ipynb\nTo put right: 3.\n"
    )
    place = "notebooks/04_counter.ipynb, cell 4 (c4)"
    assert f"{place}: an untouched stub must come out as not attempted (–), but:" in said.err
    for folder in ("solutions", "notebooks"):
        assert f"{folder}/04_counter.ipynb, cell 5 (c5): its output holds a memory" in said.err


def test_an_exercise_that_raises_stops_the_tool(tmp_path, capsys):
    save(tmp_path, book("### BEGIN SOLUTION\ncounter = 1\n### END SOLUTION", "print(counter)"))
    before = files(tmp_path)
    assert tool.main(["--root", str(tmp_path)]) == 1
    words = capsys.readouterr().err
    assert words.startswith(
        "notebooks/04_counter.ipynb, cell 2 (c2) raised NameError: name 'counter' is not defined\n"
        "    print(counter)\n"
        "Where the learner should see this error, tag the cell raises-exception.\n"
    )
    assert "In[1], line 1" in words
    assert files(tmp_path) == before


def test_a_cell_that_does_not_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "CELL_SECONDS", 1)
    save(tmp_path, book("import asyncio\nawait asyncio.Event().wait()"))
    [problem] = tool.build(tmp_path)
    assert problem.startswith("solutions/04_counter.ipynb, cell 1 (c1) did not end within 1 second")
    assert "await asyncio.Event().wait()" in problem


def test_a_cell_that_ends_its_kernel_is_refused(tmp_path):
    save(tmp_path, book("import os\nos._exit(1)"))
    [problem] = tool.build(tmp_path)
    assert problem == (
        "solutions/04_counter.ipynb, cell 1 (c1) ended its kernel.\n    import os\n    os._exit(1)"
    )


def test_the_kernel_is_this_interpreter(tmp_path):
    notebook = book("import sys\nsys.executable")
    tool.run(notebook, tmp_path, "solutions/04_counter.ipynb")
    [result] = notebook.cells[0].outputs
    assert os.path.samefile(eval(result.data["text/plain"]), sys.executable)
