"""Fetching one file from a mirror that may be silent, slow, endless or reached by a proxy."""

import queue
import threading
import time
import urllib.request
from urllib.error import HTTPError

from tqdm.auto import tqdm

from course_utils import __version__

SILENCE = 10.0  # seconds without a byte after which a mirror is given up
CRAWL_SECONDS, CRAWL_BYTES = 20.0, 100_000  # fewer bytes in so long a time: given up as well


def proxies() -> dict[str, str]:
    """The proxies of the environment by scheme, as urllib finds them.

    Quotes and spaces around them are dropped: some systems keep them as they are typed. One for
    all, which urllib does not know, stands for those that are not named; socks it cannot speak.
    """
    found = {scheme: url.strip(" '\"") for scheme, url in urllib.request.getproxies().items()}
    every = found.get("all", "")
    if every and not every.startswith("socks"):
        found = {"http": every, "https": every} | found
    return {scheme: url for scheme, url in found.items() if url}


def download(url: str, size: int) -> bytes:
    """The bytes at `url`, at most `size`; OSError when the mirror is silent, or crawls.

    Proxies are those of the environment now (see `proxies`): urllib's own `urlopen` keeps the
    first ones it saw.
    A thread reads and this one watches the clock, because a socket's time limit holds for one read
    from one address: looking up the name, trying eight addresses in turn, or a server that sends
    a byte every nine seconds would each outlast it.
    """
    chunks: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stop = threading.Event()

    def read() -> None:
        try:
            request = urllib.request.Request(
                url, headers={"User-Agent": f"course_utils/{__version__}"}
            )
            opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies()))
            with opener.open(request, timeout=SILENCE) as response:
                while not stop.is_set() and (chunk := response.read1(65_536)):
                    chunks.put(chunk)
            chunks.put(b"")
        except Exception as error:  # handed over: it is raised where it can be caught
            if isinstance(error, HTTPError):
                error.close()
            chunks.put(error)

    threading.Thread(target=read, daemon=True).start()
    body, mark, since = bytearray(), 0, time.monotonic()
    try:
        with tqdm(
            desc=url.rpartition("/")[2], total=size, unit="B", unit_scale=True, leave=False
        ) as bar:
            while len(body) <= size:
                chunk = chunks.get(timeout=SILENCE)
                if isinstance(chunk, Exception):
                    raise chunk
                if not chunk:
                    break
                body += chunk
                bar.update(len(chunk))
                if len(body) < size and time.monotonic() - since > CRAWL_SECONDS:
                    if len(body) - mark < CRAWL_BYTES:
                        raise TimeoutError(f"{len(body) - mark:,} bytes in {CRAWL_SECONDS:g} s")
                    mark, since = len(body), time.monotonic()
    except queue.Empty:
        raise TimeoutError(f"silent for {SILENCE:g} s") from None
    finally:
        stop.set()
    return bytes(body)
