"""A class on this machine: the real JupyterHub and its proxy, and Unix users with servers.

Everything listens on 127.0.0.1 only. The hub runs as root, with the configuration that CLASS.md
recommends and a few settings for the test behind it; users, processes and folders end with it.
"""

import hashlib
import inspect
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import websocket  # pip: websocket-client, which Jupyter's server brings

from helpers.unix_users import (
    Unavailable,
    User,
    as_nobody,
    can_make_users,
    can_read,
    command,
    make_user,
    packages,
    processes_of,
    public_python,
    remove_left_users,
    remove_user,
)

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "CLASS.md"
CONFIG = ROOT / "tools" / "hub" / "jupyterhub_config.py"
NOTEBOOK = ROOT / "notebooks" / "start_here.ipynb"

# The Littlest JupyterHub and the Kubernetes chart have JupyterHub 5. Of the others: what it needs
# and the course does not.
PACKAGES = ["jupyterhub==5.5.4", "jupyterhub-idle-culler", "certipy", "oauthlib", "pamela"]
PACKAGES += ["aiohttp", "aiohappyeyeballs", "aiosignal", "frozenlist", "multidict", "propcache"]
PACKAGES += ["yarl", "pydantic", "pydantic_core", "annotated-types", "typing-inspection"]
PACKAGES += ["cryptography"]
PROXY = "configurable-http-proxy@5.3.0"
SECONDS = 300  # a limit, not a measurement


# --- the environment -----------------------------------------------------------------------------


def stack() -> Path:
    """The environment of hub and users, under data/cache, made once.

    JupyterHub and its proxy, and of the running environment everything else but the course.

    Raises:
        Unavailable: it cannot be made.
    """
    can_make_users()
    can_read("jupyterlab")
    for tool in ("npm", "node"):
        if shutil.which(tool) is None:
            raise Unavailable(f"there is no {tool} here")
    recipe = json.dumps([PACKAGES, PROXY, sys.version, sys.path, inspect.getsource(build)])
    name = f"hub-stack-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    folder = ROOT / "data" / "cache" / name
    if not (folder / "complete").exists():
        for old in folder.parent.glob("hub-stack-*"):
            shutil.rmtree(old)
        try:
            build(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    seen = as_nobody(folder / "bin/python", "-c", "import jupyterhub")
    if seen.returncode != 0:
        raise Unavailable(f"other users may not read {folder}: {seen.stderr[-200:]}")
    return folder


def build(folder: Path) -> None:
    command(public_python(), "-m", "venv", "--without-pip", folder, what="no environment")
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    pip += ["--disable-pip-version-check", "--retries=1", "--timeout=15", *PACKAGES]
    command(*pip, what="pip cannot install JupyterHub")
    npm = ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, PROXY]
    command(*npm, what="npm cannot install the proxy")
    (folder / "bin/configurable-http-proxy").symlink_to(
        folder / "node_modules/.bin/configurable-http-proxy"
    )
    # After its own packages come those of the running environment, and JupyterLab's pages.
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "running.pth").write_text("\n".join(packages()) + "\n", encoding="utf-8")
    for name in ("share/jupyter", "etc/jupyter"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(Path(sys.prefix) / name)
    (folder / "complete").touch()


# --- the hub -------------------------------------------------------------------------------------

# What the test sets behind the lecturer's configuration.
SETTINGS = """
load_subconfig({config!r})
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {token!r}
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
variables = c.Spawner.environment.get_value({{}}) | {environment!r}
c.Spawner.environment = {{n: v for n, v in variables.items() if n not in {left_out!r}}}
c.JupyterHub.services[0]["api_token"] = {culler_token!r}
c.JupyterHub.services.append({{"name": "test", "api_token": {token!r}}})
scopes = ["admin:users", "admin:servers", "tokens", "list:services", "read:services"]
c.JupyterHub.load_roles.append({{"name": "test", "scopes": scopes, "services": ["test"]}})
"""


@dataclass
class Student(User):
    """A user of the hub, who is one of the machine's too."""

    number: int  # from 0 up
    token: str = ""
    seconds_to_start: float = 0.0


@dataclass
class Hub:
    """A hub with so many users; `with Hub(3) as hub` starts it.

    Args:
        number: of users.
        environment: variables of the users' servers, beside those of the configuration.
        left_out: of the configuration's variables.
        data: files of the shared folder, {path in it: content}.
    """

    number: int
    environment: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict, repr=False)
    students: list[Student] = field(default_factory=list, init=False)
    process: subprocess.Popen | None = field(default=None, init=False)

    def __enter__(self) -> "Hub":
        self.stack = stack()
        self.folder = Path(tempfile.mkdtemp(prefix="vae-class-"))
        try:
            self._lay_out()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        try:
            if self.process:
                self._stop()
        finally:  # also when somebody interrupts the waiting
            for student in self.students:
                remove_user(student.name)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self) -> None:
        started = []  # the proxy, the culler, and what they have started
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.process.pid).children(recursive=True)
        try:
            self.process.terminate()  # it stops the servers and the proxy
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            for process in psutil.wait_procs(started, timeout=5)[1]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _lay_out(self) -> None:
        """The course, the shared data, and the users, as CLASS.md says."""
        self.folder.chmod(0o711)
        ignored = shutil.ignore_patterns("__pycache__")
        self.site, self.shared = self.folder / "site", self.folder / "data"
        shutil.copytree(ROOT / "course_utils", self.site / "course_utils", ignore=ignored)
        shutil.copytree(ROOT / "data/results", self.site / "course_utils/results")
        for path, content in self.data.items():
            (self.shared / path).parent.mkdir(parents=True, exist_ok=True)
            (self.shared / path).write_bytes(content)
        skeleton = self.folder / "skel"
        command("sh", "-ec", pages_into(skeleton), what="the guide's commands", cwd=ROOT)
        (self.folder / "homes").mkdir()
        remove_left_users()
        for number in range(self.number):
            user = make_user(self.folder / "homes", skeleton)
            self.students.append(Student(user.name, user.home, user.uid, number))

    def _start(self) -> None:
        ports, self.token, self.culler_token = free_ports(3), *(os.urandom(16).hex() for _ in "ab")
        self.port = ports[0]
        settings = {
            "config": str(CONFIG),
            "token": self.token,
            "culler_token": self.culler_token,
            "ports": ports,
            "environment": {
                "COURSE_DATA": str(self.shared),
                "PYTHONPATH": str(self.site),
                **self.environment,
            },
            "left_out": self.left_out,
        }
        private = self.folder / "hub"
        private.mkdir(mode=0o700)  # cookies, tokens and the database
        (private / "jupyterhub_config.py").write_text(SETTINGS.format(**settings))
        env = {name: text for name, text in os.environ.items() if keeps(name)}
        env |= {"PATH": f"{self.stack / 'bin'}:{os.environ['PATH']}"}
        self.log = private / "log"
        with open(self.log, "w") as log:
            start = [self.stack / "bin/python", "-m", "jupyterhub"]
            self.process = subprocess.Popen(
                start, cwd=private, env=env, stdout=log, stderr=log, start_new_session=True
            )
        self.until(self._answers, "the hub answers")
        for student in self.students:
            self.api("POST", f"users/{student.name}", expected=201)
            made = self.api("POST", f"users/{student.name}/tokens", expected=201)
            student.token = made["token"]

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"the hub ended:\n{self.log.read_text()[-3000:]}"
        with suppress(OSError):
            return self.request("GET", "/hub/api/", self.token)[0] == 200
        return False

    def until(self, true, what: str, seconds: float = SECONDS):
        """Wait until `true()` is, and return it."""
        give_up = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > give_up:
                said = self.log.read_text()[-3000:]
                raise AssertionError(f"not within {seconds} s: {what}\n{said}")
            time.sleep(0.2)
        return found

    # --- requests ---

    def request(self, method: str, path: str, token: str, body=None) -> tuple[int, bytes]:
        """Status and content of what the proxy answers for a path."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Authorization", f"token {token}")
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, data, timeout=SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def api(self, method: str, path: str, expected: int = 200, body=None):
        """What the hub's own API answers to the test."""
        status, content = self.request(method, f"/hub/api/{path}", self.token, body)
        assert status == expected, f"{method} {path}: {status} {content[:500]}"
        return json.loads(content) if content else None

    def server(self, method: str, student: Student, path: str, body=None) -> tuple[int, bytes]:
        """What a student's server answers to that student."""
        return self.request(method, f"/user/{student.name}/{path}", student.token, body)

    def start(self, student: Student) -> None:
        """Start the student's server, and measure how long it takes."""
        began = time.monotonic()
        path = f"/hub/api/users/{student.name}/server"
        status, content = self.request("POST", path, self.token)
        assert status in (201, 202), f"{status}: {content[:500]}"

        def ready():
            servers = self.api("GET", f"users/{student.name}")["servers"]
            assert servers, f"no server for {student.name}:\n{self.log.read_text()[-3000:]}"
            return servers[""]["ready"]

        self.until(ready, f"the server of {student.name}")
        student.seconds_to_start = time.monotonic() - began

    def all_at_once(self, work) -> list:
        """`work(student)` for all students, each in a thread."""
        with ThreadPoolExecutor(self.number) as pool:
            return list(pool.map(work, self.students))


def pages_into(skeleton: Path) -> str:
    """The guide's commands that lay the pages out, for another folder than /etc/skel."""
    blocks = re.findall(r"^```\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "/etc/skel" in block]
    return block.replace("sudo ", "").replace("/etc/skel", str(skeleton))


def keeps(name: str) -> bool:
    """Whether the hub gets this variable of ours."""
    ours = ("COURSE_", "COV_", "JUPYTER", "OMP_", "MKL_", "PYTHON", "PYTEST", "VIRTUAL_ENV")
    return not name.startswith(ours)


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


# --- kernels -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What became of a cell.

    Attributes:
        seconds: from the request to the kernel's "idle". printed: its text on stdout.
        error: name and message of the exception; "" for none.
    """

    seconds: float
    printed: str
    error: str


class Lost(AssertionError):
    """The connection to a kernel ended before the answer."""


class Kernel:
    """A kernel on a student's server, reached as a page reaches it: by the proxy's websocket.

    It answers once this is made. Where the connection to a new kernel is lost, a page connects
    again, and so does this.
    """

    def __init__(self, hub: Hub, student: Student):
        body = {"name": "python3", "path": "vae-course/notebooks"}
        status, content = hub.server("POST", student, "api/kernels", body)
        assert status == 201, f"{student.name}: {status} {content[:500]}"
        path = f"user/{student.name}/api/kernels/{json.loads(content)['id']}/channels"
        self.log = hub.log
        self.url = f"ws://127.0.0.1:{hub.port}/{path}"
        self.header = [f"Authorization: token {student.token}"]
        for tries_left in (2, 1, 0):
            try:
                self.run("pass", 4 * SECONDS)
                break
            except Lost as why:
                if not tries_left:
                    raise
                print(why, flush=True)

    def run(self, code: str, seconds: float = SECONDS) -> Ran:
        """Run a cell by a connection of its own, which does not lie idle; wait for its end."""
        connection = websocket.create_connection(self.url, timeout=SECONDS, header=self.header)
        with closing(connection):
            return self._run(connection, code, seconds)

    def _run(self, connection, code: str, seconds: float) -> Ran:
        began, number = time.monotonic(), os.urandom(8).hex()
        header = {"msg_id": number, "msg_type": "execute_request", "version": "5.3"}
        header |= {"session": "test", "username": "", "date": "2000-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        connection.send(json.dumps(message | {"channel": "shell", "buffers": []}))
        printed, error, waiting = "", "", {"execute_reply", "idle"}
        while waiting:
            left = began + seconds - time.monotonic()
            assert left > 0, f"not within {seconds} s: {code[:200]}"
            connection.settimeout(left)
            try:
                answer = connection.recv()
            except (OSError, websocket.WebSocketException) as why:
                waited, said = time.monotonic() - began, self.log.read_text()[-20_000:]
                raise Lost(f"{why!r} after {waited:.0f} s, {self.url}\n{said}") from why
            if isinstance(answer, bytes):  # buffers of a widget behind the message
                count = int.from_bytes(answer[:4], "big")
                ends = [int.from_bytes(answer[4 * n : 4 * n + 4], "big") for n in (1, 2)]
                answer = answer[ends[0] : ends[1] if count > 1 else None].decode()
            answer = json.loads(answer)
            if answer["parent_header"].get("msg_id") != number:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream" and content["name"] == "stdout":
                printed += content["text"]
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status":
                waiting.discard(content["execution_state"])
            else:
                waiting.discard(kind)
        return Ran(time.monotonic() - began, printed, error)


def cells_of(notebook: Path = NOTEBOOK) -> dict[str, str]:
    """The code cells of a page: {id: code}."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return {c["id"]: "".join(c["source"]) for c in cells if c["cell_type"] == "code"}


# --- memory --------------------------------------------------------------------------------------


def memory_of(uid: int) -> int:
    """Bytes that a user's processes take: their own, and their share of what several use (PSS)."""
    total = 0
    for process in processes_of(uid):
        with suppress(OSError):
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += 1024 * int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1])
    return total


class MemoryWatch:
    """The most that each user's processes, and all of them together, take within a block."""

    def __init__(self, students: list[Student], every: float = 1.0):
        self.students, self.every, self.over = students, every, threading.Event()
        self.peaks, self.together = dict.fromkeys((s.name for s in students), 0), 0

    def __enter__(self) -> "MemoryWatch":
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(self.every):
            now = {s.name: memory_of(s.uid) for s in self.students}
            self.peaks = {name: max(self.peaks[name], now[name]) for name in now}
            self.together = max(self.together, sum(now.values()))
