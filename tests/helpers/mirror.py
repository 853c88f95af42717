"""A server on this machine that plays MNIST's mirror, well or badly, and what it serves."""

import gzip
import hashlib
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import torch

from course_utils.data import mnist
from course_utils.files import data_roots

TRAIN_IMAGES = "train-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"  # the last file to be fetched
GIVES_UP = 60.0  # seconds after which a mirror that keeps one waiting hangs up: no test hangs


def real_archives() -> dict[str, bytes] | None:
    """The four archives of MNIST, where this machine has them."""
    for base in data_roots():
        for layout in ("MNIST/raw", "raw", "."):
            paths = [base / layout / f"{file.name}.gz" for file in mnist.FILES]
            if all(path.is_file() for path in paths):
                return {path.name: path.read_bytes() for path in paths}
    return None


REAL = real_archives()  # found before tests hide them


def small_files() -> dict[mnist.File, bytes]:
    """Archives like MNIST's with 60 + 20 images, and what `FILES` should say of them."""
    generator, made = torch.Generator().manual_seed(0), {}
    for file in mnist.FILES:
        shape = ({60_000: 60, 10_000: 20}[file.shape[0]], *file.shape[1:])
        values = torch.randint(256 if len(shape) == 3 else 10, shape, generator=generator)
        header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
        raw = header + values.to(torch.uint8).numpy().tobytes()
        packed = gzip.compress(raw, mtime=0)
        digests = [hashlib.md5(content).hexdigest() for content in (packed, raw)]
        made[mnist.File(file.name, shape, len(packed), *digests)] = packed
    return made


class Handler(BaseHTTPRequestHandler):
    """Answers one reader, in the manner of the mirror that its server belongs to."""

    def do_GET(self):
        mirror = self.server.mirror
        name = self.path.rpartition("/")[2]
        mirror.requested.append(name)
        answer = getattr(self, mirror.manner)
        try:
            answer(mirror.files.get(name, b""))
        except OSError:
            mirror.left.set()

    def good(self, content: bytes):
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def missing(self, content: bytes):
        self.good(b"")

    def altered(self, content: bytes):
        self.good(content[:-1] + bytes([content[-1] ^ 1]))

    def cut_short(self, content: bytes):
        """Announces all, sends a half, hangs up."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def other_page(self, content: bytes):
        """What the log-in page of a guest network answers to every address."""
        self.good(b"<html>Please log in.</html>")

    def endless(self, content: bytes):
        self.send_response(200)
        self.end_headers()
        for _ in range(500):  # as good as endless, but no test fills the memory
            self.wfile.write(bytes(1 << 20))

    def circular(self, content: bytes):
        """Sends the reader on to where the reader is."""
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def silent(self, content: bytes):
        self.server.mirror.over.wait(GIVES_UP)

    def slow(self, content: bytes):
        """Little at a time, but steadily: a full lecture hall."""
        self.send_response(200)
        self.end_headers()
        for start in range(0, len(content), 10_000):
            self.wfile.write(content[start : start + 10_000])
            self.server.mirror.over.wait(0.08)

    def dribbling(self, content: bytes):
        self.send_response(200)
        self.end_headers()
        self.dribble(content)

    def dribbling_headers(self, content: bytes):
        self.dribble(b"HTTP/1.0 200 OK\r\n" + b"X-Patience: yes\r\n" * 1000)

    def dribble(self, content: bytes):
        for value in content[: int(GIVES_UP / 0.1)]:
            self.wfile.write(bytes([value]))
            if self.server.mirror.over.wait(0.1):
                return

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


class Mirror:
    """A server of `files` on this machine that misbehaves as `manner` says, and keeps count."""

    def __init__(self, files: dict[str, bytes], manner: str = "good"):
        self.files, self.manner = files, manner
        self.requested: list[str] = []
        self.over = threading.Event()
        self.left = threading.Event()  # set when a reader has hung up
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.mirror = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *arguments):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def use_mirrors(monkeypatch, *urls: str) -> None:
    """Let the course know these mirrors alone, from a stand-in: torchvision is slow to import."""
    torchvision = SimpleNamespace(MNIST=SimpleNamespace(mirrors=list(urls)))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", torchvision)
