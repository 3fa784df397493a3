"""A Docker Engine of our own, with one tiny image that serves a health page."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.models.containers import Container

from tests.support.processes import Process, remove_at_exit

IMAGE = "tinyapp:1"
_PROGRAMS = ("sh", "httpd", "wget", "sleep", "rm", "echo", "cat", "kill", "dd", "true", "false", "touch")
_HEALTH = {"test": ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/health"]}
_SECOND = 1_000_000_000  # of Docker's durations, which are nanoseconds


class DockerEngine:
    """`dockerd` on a socket of its own, with no network for its containers but their own loopback.

    It runs in a process namespace: when it is killed, all its containers are gone with it, however the test
    run ends. Needs root, Linux, and Debian's docker.io and busybox-static.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Sockets have short names: a test's own folder can be too deep for one.
        self._home = Path(tempfile.mkdtemp(prefix="docker-"))
        remove_at_exit(self._home)
        self.url = f"unix://{self._home}/docker.sock"
        self._process: Process | None = None

    def start(self) -> DockerEngine:
        """Returns when it answers (0.5 s); what ran before a `stop` or `kill` is there, exited."""
        _need_what_it_takes()
        config = self._home / "none.json"
        config.write_text("{}")
        # Its number in its own namespace is always 1: it would take its own stale file for a running engine.
        for stale in self._home.rglob("*.pid"):
            stale.unlink()
        self._process = Process(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "dockerd",
             f"--config-file={config}", f"--host={self.url}", f"--data-root={self._home}/data",
             f"--exec-root={self._home}/exec", f"--pidfile={self._home}/docker.pid",
             "--bridge=none", "--iptables=false", "--ip-masq=false", "--ip-forward=false"],
            self.folder / "dockerd.log",
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(self._home)},
            cwd=self._home,
        )  # fmt: skip
        self._wait_until_it_answers()
        self.client = docker.DockerClient(self.url, timeout=30)
        if not self.client.images.list(IMAGE):
            repository, tag = IMAGE.split(":")
            self.client.api.import_image_from_data(_root_folder(), repository=repository, tag=tag)
        return self

    def kill(self) -> None:
        """SIGKILL to the engine and everything in its namespace, its containers included."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def freeze(self) -> None:
        """It accepts connections and answers no more, until `thaw`."""
        assert self._process is not None
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.signal(signal.SIGCONT)

    def stop(self) -> None:
        """Remove all containers, then end; `start` begins with an empty engine that has its image."""
        with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
            self.clear()
        self.kill()

    def discard(self) -> None:
        """Stop for good and remove the data."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def clear(self) -> None:
        """Remove all containers, whatever they do."""
        for container in self.client.containers.list(all=True, ignore_removed=True):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True)

    # --- containers

    def run(self, name: str, command: str | Sequence[str] = "sleep 600", **options: Any) -> Container:
        """Start a container of the tiny image; a text is a shell script. Options as in the Docker SDK."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return self.client.containers.run(IMAGE, words, name=name, detach=True, init=False, **options)

    def serve(self, name: str, *, page: bool = True, **options: Any) -> Container:
        """Start a container with a health page, checked thrice a second; two failures are unhealthy.

        Without `page`, the page is missing until a test puts it there.
        """
        begin = "echo ok > /www/health; " if page else ""
        script = f"{begin}exec httpd -f -p 8080 -h /www"
        check = _HEALTH | {"interval": _SECOND // 3, "timeout": _SECOND, "retries": 2}
        return self.run(name, script, **({"healthcheck": check} | options))

    def wait(self, name: str, condition: Callable[[dict[str, Any]], bool], seconds: float = 20) -> None:
        """Until the container's inspection fulfils the condition."""
        deadline = time.monotonic() + seconds
        while not condition(self.client.api.inspect_container(name)):
            if time.monotonic() > deadline:
                state = self.client.api.inspect_container(name)["State"]
                raise TimeoutError(f"{name} after {seconds:.0f} s: {state}")
            time.sleep(0.1)

    def wait_health(self, name: str, status: str, seconds: float = 20) -> None:
        """Until Docker says `healthy`, `unhealthy` or `starting`."""
        self.wait(name, lambda seen: seen["State"]["Health"]["Status"] == status, seconds)

    def wait_state(self, name: str, status: str, seconds: float = 20) -> None:
        """Until the container is `running`, `exited`, `restarting`, `paused`, `created` or `dead`."""
        self.wait(name, lambda seen: seen["State"]["Status"] == status, seconds)

    def __enter__(self) -> DockerEngine:
        try:
            return self.start()
        except BaseException:
            self.discard()
            raise

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _wait_until_it_answers(self, seconds: float = 30) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while True:
            try:
                client = docker.DockerClient(self.url, timeout=5)  # asks for the engine's version
                client.close()
                return
            except (docker.errors.DockerException, requests.RequestException):
                if not self._process.alive or time.monotonic() > deadline:
                    self.kill()
                    log = (self.folder / "dockerd.log").read_text(errors="replace")
                    raise RuntimeError(f"dockerd did not start:\n{log[-2000:]}") from None
            time.sleep(0.05)


def _need_what_it_takes() -> None:
    """Raises RuntimeError that says what is missing on this machine."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in ("dockerd", "unshare", "busybox") if not shutil.which(name, path=path)]
    if missing:
        raise RuntimeError(
            f"{', '.join(missing)} not found; "
            "apt-get install --no-install-recommends docker.io iptables busybox-static util-linux"
        )
    if os.geteuid() != 0:
        raise RuntimeError("dockerd needs root: run these tests as root, for example in a container")


def _root_folder() -> bytes:
    """A root file system as a tar archive: busybox under the names of its programs, and an empty page."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "www", "tmp", "proc", "sys", "dev", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(busybox), 0o755
        tar.addfile(program, io.BytesIO(busybox))
        for name in _PROGRAMS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return archive.getvalue()
