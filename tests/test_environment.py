"""Tests that the course can be installed anywhere, and that `course.py` does it as it says.

None of them needs a network.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jupyter_server.config_manager import BaseJSONConfigManager

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("server", "client", "checks")

# What is imported under another distribution's wing: jupyterlab cannot be there without
# jupyter_server, so naming both would only be one more pin to keep.
BROUGHT_BY = {
    "IPython": ("ipython", "ipykernel"),
    "traitlets": ("traitlets", "ipywidgets"),
    "numpy": ("numpy", "ipycanvas"),
    "PIL": ("pillow", "ipycanvas"),
    "jupyter_client": ("jupyter-client", "ipykernel"),
    "jupyter_core": ("jupyter-core", "ipykernel"),
    "jupyter_server": ("jupyter-server", "jupyterlab"),
}


def normalized(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(requirements: list[str]) -> dict[str, str]:
    """Name and version of requirements, each of which must be pinned exactly."""
    pins = {}
    for requirement in requirements:
        pinned = re.fullmatch(r"([\w.-]+)==([\w.]+)", requirement)
        assert pinned, f"{requirement!r} is not an exact pin NAME==VERSION"
        pins[normalized(pinned[1])] = pinned[2]
    return pins


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = pins_of(PROJECT["dependencies"])
NEEDED_FOR_TESTS = pins_of(PROJECT["optional-dependencies"]["test"])


# --- what is declared, what is installed, what is imported ---------------------------------------


def test_environment_yml_has_the_pins_of_pyproject():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    below_pip = lines[lines.index("  - pip:") + 1 :]
    assert all(re.match(r" {4,}- ", line) for line in below_pip), "only the pip list may come last"
    assert pins_of([line.strip().removeprefix("- ") for line in below_pip]) == NEEDED


def test_environment_yml_names_the_oldest_python_that_pyproject_allows():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert re.findall(r"^name: (.+)$", text, re.MULTILINE) == [PROJECT["name"]]
    oldest = re.findall(r"^  - python=(.+)$", text, re.MULTILINE)
    assert [f">={version}" for version in oldest] == [PROJECT["requires-python"]]


@pytest.mark.parametrize(("name", "version"), sorted((NEEDED | NEEDED_FOR_TESTS).items()))
def test_what_is_installed_is_what_is_pinned(name, version):
    assert importlib.metadata.version(name) == version


def test_post_build_adds_the_course_and_signs_its_notebooks():
    post_build = ROOT / "postBuild"
    assert post_build.read_text(encoding="utf-8").splitlines() == [
        "#!/bin/sh",
        "set -e",
        "python -m pip install --no-deps -e .",
        'python -c "import sys, pathlib, course; course.quicken_lab(pathlib.Path(sys.prefix))"',
        "jupyter trust notebooks/*.ipynb solutions/*.ipynb",
    ]
    if os.name == "posix":
        assert os.access(post_build, os.X_OK), "postBuild must be executable: chmod +x postBuild"


def test_binder_and_ci_install_a_redis():
    assert (ROOT / "apt.txt").read_text(encoding="utf-8").split() == ["redis-server"]
    assert "wanted+=(redis-server)" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_settings_of_jupyterlab_are_put_beside_those_of_others(course, tmp_path):
    folder = tmp_path / "etc" / "jupyter" / "labconfig"
    folder.mkdir(parents=True)
    theirs = folder / "page_config.json"
    theirs.write_text('{"disabledExtensions": {"@theirs/extension": true}}')
    for _ in range(2):
        course.quicken_lab(tmp_path)
    # As JupyterLab reads them (jupyterlab_server.config.get_static_page_config).
    found = BaseJSONConfigManager(config_dir=str(folder)).get("page_config")
    assert found["disabledExtensions"] == {
        "@theirs/extension": True,
        "@jupyterlab/application-extension:faviconbusy": True,
    }
    assert theirs.read_text() == '{"disabledExtensions": {"@theirs/extension": true}}'


def test_without_the_right_to_write_the_course_still_opens(course, tmp_path, capsys):
    (tmp_path / "etc").write_text("a file where a folder should be")
    course.quicken_lab(tmp_path)
    assert "Live widgets will be slower" in capsys.readouterr().err


def test_readme_has_both_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for command in ("python course.py", "python course.py test"):
        assert command in lines, f"README.md needs a line that is exactly: {command}"


def test_the_badge_opens_the_first_notebook_and_its_repository_is_named_in_one_place():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    *_, last = text.splitlines()
    address = re.fullmatch(r"\[binder\]: (\S+)", last)[1]
    place, _, path = address.partition("?urlpath=lab/tree/")
    assert re.fullmatch(r"https://mybinder\.org/v2/gh/[^/]+/[^/]+/HEAD", place)
    assert (ROOT / path).is_file()
    assert text.count("][binder]") == 1
    assert text.count("mybinder.org/v2") == 1


def imports_of(source: Path) -> set[str]:
    """The top-level names that a file imports absolutely, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_declared(package):
    sources = sorted((ROOT / package).rglob("*.py"))
    assert sources, f"no Python file in {package}/"
    distributions = importlib.metadata.packages_distributions()
    undeclared = []
    for source in sources:
        for name in sorted(imports_of(source) - set(PACKAGES) - set(BROUGHT_BY)):
            if not {normalized(owner) for owner in distributions.get(name, [])} & set(NEEDED):
                undeclared.append(f"{source.relative_to(ROOT)} imports {name}")
    assert not undeclared


@pytest.mark.parametrize("name", BROUGHT_BY)
def test_what_is_not_declared_is_brought_by_what_is(name):
    brought, by = BROUGHT_BY[name]
    assert by in NEEDED
    requirements = importlib.metadata.requires(by)
    assert brought in {normalized(re.match(r"[\w.-]+", text)[0]) for text in requirements}


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository, so nothing is known of what is tracked")
    # In two pieces each, so that this file is not found by itself.
    tied_to_one_place = [
        first + second
        for first, second in [
            (b"files.python", b"hosted"),
            (b"pypi.org/", b"simple"),
            (b"registry.npm", b"js"),
            (b"deb.", b"debian.org"),
            (b"/root", b"/"),
            (b"/tmp/", b"venv"),
            (b"/work", b"/"),
        ]
    ]
    found = []
    for name in listing.decode().split("\0"):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content:
            continue
        found += [f"{name} has {text.decode()}" for text in tied_to_one_place if text in content]
    assert not found


# --- course.py, one function at a time -----------------------------------------------------------


def load(folder: Path):
    """The module course.py of a folder, loaded anew: a test may change what it refers to."""
    spec = importlib.util.spec_from_file_location("course", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course():
    """The module course.py of this repository."""
    return load(ROOT)


def test_an_old_python_can_read_course_py():
    source = (ROOT / "course.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert imports_of(ROOT / "course.py") == set()


def test_an_old_python_is_told_what_to_do(course):
    complaint = course.too_old((3, 8, 18, "final", 0))
    assert "This is Python 3.8" in complaint
    assert "needs Python 3.11 or newer" in complaint
    assert "python.org/downloads" in complaint


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 0), (4, 0, 0)])
def test_a_new_python_is_not(course, version):
    assert course.too_old(version) == ""


def test_the_oldest_python_is_that_of_pyproject(course):
    assert PROJECT["requires-python"] == ">={}.{}".format(*course.OLDEST_PYTHON)


@pytest.fixture
def no_environment(monkeypatch, tmp_path):
    """As if this Python belonged to no environment."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "prefix"))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.delenv("CONDA_DEFAULT_ENV", raising=False)


def test_no_environment_is_active(course, no_environment):
    assert course.active_environment() is None


def test_an_active_virtual_environment_is_used(course, no_environment, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "mine"))
    assert course.active_environment() == tmp_path / "mine"


def test_an_active_conda_environment_is_used(course, no_environment, monkeypatch):
    monkeypatch.setenv("CONDA_PREFIX", sys.prefix)
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "websocket-course")
    assert course.active_environment() == Path(sys.prefix)


def test_conda_base_is_left_alone(course, no_environment, monkeypatch):
    monkeypatch.setenv("CONDA_PREFIX", sys.prefix)
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "base")
    assert course.active_environment() is None


def test_a_conda_environment_of_another_python_is_left_alone(
    course, no_environment, monkeypatch, tmp_path
):
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "websocket-course")
    assert course.active_environment() is None


@pytest.fixture
def stamped(course, monkeypatch, tmp_path):
    """Says whether the course counts as installed, after a stamp for the extra was left."""
    (tmp_path / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(course, "ROOT", tmp_path)

    def leave_stamp(extra):
        text = json.dumps(course.what_is_wanted(extra))
        course.stamp_of(tmp_path).write_text(text, encoding="utf-8")
        return lambda wanted: course.is_installed(tmp_path, wanted)

    return leave_stamp


def test_without_a_stamp_the_course_is_not_installed(course, tmp_path):
    assert not course.is_installed(tmp_path, "")


def test_a_stamp_says_that_nothing_is_needed(stamped):
    is_installed = stamped("")
    assert is_installed("")
    assert not is_installed("test")


def test_who_can_run_the_tests_can_run_the_course(stamped):
    is_installed = stamped("test")
    assert is_installed("")
    assert is_installed("test")


def test_a_changed_pyproject_is_installed_again(stamped, tmp_path):
    is_installed = stamped("")
    (tmp_path / "pyproject.toml").write_text("[project]  # changed")
    assert not is_installed("")


def test_a_moved_course_is_installed_again(stamped, course, monkeypatch, tmp_path):
    stamped("")
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(course, "ROOT", tmp_path / "moved")
    assert not course.is_installed(tmp_path, "")


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_broken_stamp_is_no_stamp(stamped, course, tmp_path, content):
    is_installed = stamped("")
    course.stamp_of(tmp_path).write_text(content)
    assert not is_installed("")


def test_the_first_notebook_by_name_is_opened(course, monkeypatch, tmp_path):
    monkeypatch.setattr(course, "ROOT", tmp_path)
    assert course.first_notebook_url() == "/lab"
    (tmp_path / "notebooks").mkdir()
    for name in ("10_last.ipynb", "02_next.ipynb", "01_a first one.ipynb", "00_notes.txt"):
        (tmp_path / "notebooks" / name).touch()
    assert course.first_notebook_url() == "/lab/tree/notebooks/01_a%20first%20one.ipynb"


def test_ones_own_arguments_go_first(course):
    assert f"--ServerApp.root_dir={ROOT}" in course.lab_arguments(["--no-browser"])
    own = course.lab_arguments(["--ServerApp.root_dir=/mine", "--allow-root", "--port", "8888"])
    assert f"--ServerApp.root_dir={ROOT}" not in own
    assert own.count("--allow-root") == 1
    assert own[-2:] == ["--port", "8888"]


# --- course.py, run as a newcomer runs it --------------------------------------------------------


def run(command: list, **variables: str) -> subprocess.CompletedProcess:
    """Run a command outside of any environment, and without a network for pip."""
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONDA", "VIRTUAL_ENV", "PIP_", "PYTEST"))
    }
    offline = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [str(part) for part in command],
        env=outside | offline | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["test", "--help"]])
def test_help(arguments):
    done = run([sys.executable, ROOT / "course.py", *arguments])
    assert done.returncode == 0
    assert re.search(r"^usage: python course\.py \[ARGUMENT", done.stdout)
    assert re.search(r"^ +python course\.py test \[ARGUMENT", done.stdout, re.MULTILINE)
    assert done.stderr == ""


@pytest.fixture
def copy(tmp_path):
    """A copy of the course, as far as course.py sees it, in a folder with a space in its name."""
    folder = tmp_path / "a course"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "01_connect.ipynb").touch()
    for name in ("course.py", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def python_outside() -> str:
    """The Python that the environment of these tests was made with."""
    return getattr(sys, "_base_executable", sys.executable)


def make_environment(environment: Path, folder: Path, extra: str, **modules: str) -> None:
    """Make an environment in which the course counts as installed.

    Instead of JupyterLab and pytest it has the given modules, NAME=SOURCE, which tell how they
    were started.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    below = "lib/python{}.{}/site-packages".format(*sys.version_info)
    site_packages = environment / ("Lib/site-packages" if os.name == "nt" else below)
    for name, source in modules.items():
        (site_packages / f"{name}.py").write_text(source, encoding="utf-8")
    course = load(folder)
    stamp = json.dumps(course.what_is_wanted(extra))
    course.stamp_of(environment).write_text(stamp, encoding="utf-8")


TELL_ALL = """\
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), sys.prefix, os.environ["PATH"]]))
sys.exit(7)
"""


def test_what_is_installed_is_started_at_once(copy):
    make_environment(copy / ".venv", copy, "", jupyterlab=TELL_ALL)
    done = run([python_outside(), copy / "course.py", "--no-browser", "--port", "8888"])
    assert done.returncode == 7, done.stderr
    arguments, _, prefix, path = json.loads(done.stdout)
    assert f"--ServerApp.root_dir={copy}" in arguments
    assert "--LabApp.default_url=/lab/tree/notebooks/01_connect.ipynb" in arguments
    assert arguments[-3:] == ["--no-browser", "--port", "8888"]
    assert Path(prefix) == copy / ".venv"
    assert path.startswith(str(copy / ".venv"))


def test_pytest_starts_in_the_folder_of_the_course(copy):
    make_environment(copy / ".venv", copy, "test", pytest=TELL_ALL)
    done = run([python_outside(), copy / "course.py", "test", "-k", "counter or connect"])
    assert done.returncode == 7, done.stderr
    arguments, folder, _, _ = json.loads(done.stdout)
    assert arguments == ["-k", "counter or connect"]
    assert Path(folder) == copy


FAIL_ONE = """\
import sys
print("tried", *sys.argv[1:])
sys.exit({failing!r} in sys.argv)
"""


@pytest.mark.parametrize(("failing", "code"), [("tests", 1), ("solutions", 1), ("neither", 0)])
def test_the_notebooks_run_beside_the_tests_and_what_fails_counts(copy, failing, code):
    make_environment(copy / ".venv", copy, "test", pytest=FAIL_ONE.format(failing=failing))
    done = run([python_outside(), copy / "course.py", "test"])
    assert done.stdout.splitlines() == ["tried tests", "tried notebooks solutions"]
    assert done.returncode == code, done.stderr


def test_an_active_environment_is_not_bypassed(copy, tmp_path):
    mine = tmp_path / "mine"
    make_environment(mine, copy, "", jupyterlab=TELL_ALL)
    done = run([load(copy).python_of(mine), copy / "course.py"])
    assert done.returncode == 7, done.stderr
    assert Path(json.loads(done.stdout)[2]) == mine
    assert not (copy / ".venv").exists()


def test_when_pip_fails_the_next_step_is_told(copy):
    pytest.importorskip("ensurepip")
    done = run([python_outside(), copy / "course.py"])
    assert done.returncode == 1
    assert (copy / ".venv" / "pyvenv.cfg").is_file()
    assert not (copy / ".venv" / "websocket-course.json").exists()
    assert "pip ended with exit code 1" in done.stderr
    assert "no network" in done.stderr
    assert "run this command again" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_ones_own_is_not_deleted(copy):
    (copy / ".venv").mkdir()
    (copy / ".venv" / "diary.txt").write_text("mine")
    done = run([python_outside(), copy / "course.py"])
    assert done.returncode == 1
    assert "is not a virtual environment" in done.stderr
    assert (copy / ".venv" / "diary.txt").read_text() == "mine"
