"""JupyterHub for a class, as CLASS.md sets it up: the real hub and proxy, with users of their own.

`make test-publish` runs what needs the hub. Ten users at once: tests/benchmarks/class_of_ten.py.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys

import psutil
import pytest
import yaml
from helpers.hub import CONFIG, GUIDE, Hub, Kernel, cells_of, pages_into, stack
from helpers.unix_users import is_user, processes_of, skip_without
from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config
from traitlets.config.loader import KVArgParseConfigLoader

from course_utils.files import CHECKOUT, data_root

VALUES = yaml.safe_load((CONFIG.parent / "values.yaml").read_text(encoding="utf-8"))
MNIST = {f"MNIST/raw/{p.name}": p for p in sorted((data_root() / "MNIST/raw").glob("*ubyte*"))}
FIRST = "vae-course/notebooks/start_here.ipynb"
PAGE = ["install", "setup", "model", "train", "dream", "plane"]  # at last a file in the cache


# --- the configuration, without a hub ------------------------------------------------------------


def loaded(**before) -> Config:
    """The configuration after the lecturer's file, with `before` of c.JupyterHub set earlier."""
    c = Config()
    c.JupyterHub.update(before)
    exec(compile(CONFIG.read_text("utf-8"), CONFIG.name, "exec"), {"get_config": lambda: c})
    return c


def environment(c: Config) -> dict:
    return c.Spawner.environment.get_value({})


def test_behind_the_littlest_jupyterhub_only_the_servers_change():
    services = [{"name": "cull-idle"}]  # its own, which it always sets
    c = loaded(services=services)
    assert c.JupyterHub == {"services": services} and "Authenticator" not in c
    assert set(environment(c)) == {"COURSE_DATA", "OMP_NUM_THREADS"}


def test_a_hub_of_its_own_listens_on_loopback_and_stops_the_idle():
    c = loaded()
    assert c.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    (service,), (role,) = c.JupyterHub.services, c.JupyterHub.load_roles
    assert role["services"] == [service["name"]] and "admin" not in service


def test_kubernetes_gets_the_same_settings():
    c, user = loaded(), VALUES["singleuser"]
    assert user["extraEnv"] == environment(c)
    assert user["defaultUrl"] == c.Spawner.default_url
    assert user["memory"]["limit"] == c.Spawner.mem_limit
    assert user["startTimeout"] == c.Spawner.start_timeout
    (volume,), (mount,) = user["storage"]["extraVolumes"], user["storage"]["extraVolumeMounts"]
    assert mount["name"] == volume["name"] and mount["readOnly"] is True
    assert mount["mountPath"] == environment(c)["COURSE_DATA"]
    idle = f"--timeout={VALUES['cull']['timeout']}"
    assert VALUES["cull"]["enabled"] and idle in c.JupyterHub.services[0]["command"]


@pytest.mark.skipif(sys.platform == "win32", reason="a hub's users are those of Linux")
@pytest.mark.slow
def test_a_kernel_whose_port_another_took_starts_on_new_ports():
    """As when ten start at once. Without the setting it tries the taken port until it gives up."""
    config = KVArgParseConfigLoader(loaded().Spawner.args.get_value([])).load_config()
    with pytest.MonkeyPatch.context() as patch, socket.socket() as other:
        write = AsyncIOLoopKernelManager.write_connection_file

        def write_and_lose_one(kernel, **how):
            write(kernel, **how)
            if other.getsockname()[1] == 0:
                other.bind(("127.0.0.1", kernel.control_port))
                other.listen()

        patch.setattr(AsyncIOLoopKernelManager, "write_connection_file", write_and_lose_one)
        taken, answered_on = asyncio.run(start_a_kernel(config, other))
    assert taken != answered_on


async def start_a_kernel(config: Config, other: socket.socket) -> tuple[int, int]:
    """The port that the other one took, and the one on which the kernel answered in the end."""
    kernels = AsyncMappingKernelManager(config=config)
    kernel = kernels.get_kernel(await kernels.start_kernel())
    try:
        for _ in range(60):
            client = kernel.client()
            client.start_channels()
            try:
                await client.wait_for_ready(timeout=2)
                return other.getsockname()[1], kernel.control_port
            except RuntimeError:  # not yet
                await asyncio.sleep(1)
            finally:
                client.stop_channels()
        raise TimeoutError("the kernel never answered")
    finally:
        await kernels.shutdown_all(now=True)


def test_the_guide_names_the_folders_of_the_configuration():
    c = loaded()
    assert f"mkdir -p {environment(c)['COURSE_DATA']}\n" in GUIDE.read_text("utf-8")
    assert f"timeout {VALUES['cull']['timeout']}\n" in GUIDE.read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="the guide's commands are those of a server")
def test_pages_lie_where_the_hub_opens_them_and_no_link_is_dead(tmp_path):
    subprocess.run(["sh", "-ec", pages_into(tmp_path)], cwd=CHECKOUT, check=True)
    opened = loaded().Spawner.default_url.removeprefix("/lab/tree/")
    pages = (tmp_path / opened).parent
    assert (tmp_path / opened).is_file() and len(list(pages.glob("*.ipynb"))) > 10
    for page in pages.glob("*.ipynb"):
        cells = json.loads(page.read_text("utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        links = re.findall(r"\]\(((?:\.\./)?[\w/]+\.(?:ipynb|svg|png))", text)
        assert not [link for link in links if not (pages / link).exists()], page.name


# --- the hub -------------------------------------------------------------------------------------


def digits() -> dict:
    """MNIST in the shared folder where it is at hand, else a file there, and drawn digits."""
    if MNIST:
        return {"data": {name: path.read_bytes() for name, path in MNIST.items()}}
    return {"data": {"MNIST/raw/note": b"none"}, "environment": {"COURSE_DIGITS": "strokes"}}


@pytest.fixture(scope="module")
def can_have_hubs():
    skip_without(stack)


@pytest.fixture(scope="module")
def hub(can_have_hubs):
    """A hub with three users, whose servers run."""
    with Hub(3, **digits()) as hub:
        hub.all_at_once(hub.start)
        yield hub


@pytest.fixture(scope="module")
def kernels(hub):
    """One for each user."""
    return hub.all_at_once(lambda student: Kernel(hub, student))


@pytest.mark.publish
def test_all_run_the_first_page_at_once(hub, kernels):
    cells = {name: cells_of()[name] for name in PAGE}
    shorter = cells["train"].replace("epochs=15", "epochs=1")
    assert shorter != cells["train"]
    cells["train"] = shorter

    def page(student):
        return {name: kernels[student.number].run(code) for name, code in cells.items()}

    for student, ran in zip(hub.students, hub.all_at_once(page)):
        assert not (errors := {name: r.error for name, r in ran.items() if r.error}), errors
        written = student.home / ".cache/vae-course/start_here.html"
        assert written.stat().st_uid == student.uid
        assert not MNIST or "$COURSE_DATA/MNIST/raw" in ran["setup"].printed
    assert len({student.uid for student in hub.students} - {0}) == 3


@pytest.mark.publish
def test_a_user_has_what_the_configuration_says(hub, kernels):
    code = """
import json, os, torch
from course_utils.session import pick_threads, setup
from course_utils.files import data_root
names = ("COURSE_DATA", "OMP_NUM_THREADS", "MEM_LIMIT")
setup()
print(json.dumps([*map(os.environ.get, names), torch.get_num_threads(), pick_threads()]))
"""
    ran = kernels[0].run(code)
    assert not ran.error
    found = json.loads(ran.printed.splitlines()[-1])
    assert found == [str(hub.shared), "1", str(4 * 2**30), 1, 1]


@pytest.mark.publish
def test_a_user_lands_on_the_first_page(hub):
    student = hub.students[0]
    status, page = hub.server("GET", student, "")  # follows to the default URL
    assert status == 200 and b"start_here.ipynb" in page
    assert hub.server("GET", student, f"api/contents/{FIRST}")[0] == 200


ANOTHER = [
    "os.listdir(home)",
    "open(page).read()",
    "open(page, 'a')",
    "os.remove(page)",
    "os.rename(home, home + '-mine')",
    "os.listdir(runtime)",  # the keys of the kernels
    "open(f'/proc/{server}/environ').read()",  # the token of the server
    "os.kill(server, 15)",
]
SHARED = [
    "open(file, 'a')",
    "open(os.path.join(data, 'new'), 'w')",
    "os.mkdir(os.path.join(data, 'new'))",
    "os.remove(file)",
    "os.rename(file, file + '-mine')",
    "os.chmod(file, 0o777)",
    "os.chmod(data, 0o777)",
    "os.rename(data, data + '-mine')",
]
COMMON = [  # what all run, and what the hub knows
    "open(course_utils.__file__, 'a')",
    "open(os.path.join(os.path.dirname(course_utils.__file__), 'new.py'), 'w')",
    "open(jupyterlab.__file__, 'a')",
    "os.listdir(private)",
]


def refused(hub, kernel, attempts):
    """Every attempt of the first user ends in a PermissionError."""
    other, file = hub.students[1], sorted(hub.data)[0]
    (server, *_) = [n for n in processes_of(other.uid) if "singleuser" in command_of(n)]
    names = {
        "home": str(other.home),
        "page": str(other.home / FIRST),
        "runtime": str(other.home / ".local/share/jupyter/runtime"),
        "server": server,
        "data": str(hub.shared),
        "file": str(hub.shared / file),
        "private": str(hub.folder / "hub"),
    }
    setting = "import os, course_utils, jupyterlab\n"
    setting += "\n".join(f"{name} = {value!r}" for name, value in names.items())
    assert not kernel.run(setting).error
    for attempt in attempts:
        error = kernel.run(attempt).error
        assert error.startswith("PermissionError"), f"{attempt}: {error or 'not refused'}"


def command_of(process: int) -> str:
    return " ".join(psutil.Process(process).cmdline())


@pytest.mark.publish
@pytest.mark.parametrize("attempts", [ANOTHER, SHARED, COMMON], ids=["another", "data", "common"])
def test_nobody_reads_or_changes_what_is_not_theirs(hub, kernels, attempts):
    before = sorted((p.name, p.stat().st_mode) for p in hub.shared.rglob("*"))
    refused(hub, kernels[0], attempts)
    assert sorted((p.name, p.stat().st_mode) for p in hub.shared.rglob("*")) == before
    file = hub.shared / sorted(hub.data)[0]
    read = kernels[0].run(f"print(len(open({str(file)!r}, 'rb').read()))")
    assert read.printed.strip() == str(len(hub.data[sorted(hub.data)[0]]))


@pytest.mark.publish
def test_one_user_s_token_opens_no_other_server(hub):
    one, other = hub.students[:2]
    for path in (
        "api/contents",
        "api/kernels",
        "api/contents/vae-course/notebooks/start_here.ipynb",
    ):
        assert hub.server("GET", one, path)[0] == 200
        assert hub.request("GET", f"/user/{other.name}/{path}", one.token)[0] == 403
    assert hub.request("GET", "/hub/api/users", one.token)[0] == 403
    start = f"/hub/api/users/{other.name}/server"
    assert hub.request("DELETE", start, one.token)[0] in (403, 404)
    assert hub.server("GET", other, "api")[0] == 200


@pytest.mark.publish
def test_everything_listens_on_loopback_only(hub, kernels):
    ours = [psutil.Process(hub.process.pid)]
    ours += ours[0].children(recursive=True)
    listening = [
        connection.laddr.ip
        for process in ours
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > len(hub.students) and set(listening) == {"127.0.0.1"}


@pytest.mark.publish
def test_an_idle_server_is_stopped_and_nothing_stays(can_have_hubs):
    """By the service of the configuration, with its own rights, only sooner."""
    with Hub(1) as hub:
        (student,) = hub.students
        hub.start(student)
        assert hub.server("GET", student, "api")[0] == 200
        env = os.environ | {"JUPYTERHUB_API_TOKEN": hub.culler_token}
        url = f"--url=http://127.0.0.1:{hub.port}/hub/api"
        cull = [hub.stack / "bin/python", "-m", "jupyterhub_idle_culler", url]
        with subprocess.Popen([*cull, "--timeout=2", "--cull-every=1"], env=env) as culler:
            try:
                user = f"users/{student.name}"
                hub.until(lambda: not hub.api("GET", user)["servers"], "it is stopped")
            finally:
                culler.terminate()
        assert hub.folder.exists() and is_user(student.name)
    assert not hub.folder.exists() and not processes_of(student.uid)
    assert not is_user(student.name) and hub.process.poll() is not None
