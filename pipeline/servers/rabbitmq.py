"""A RabbitMQ node from the installed package, with the management plugin, beside whatever else the machine runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import httpx

from pipeline.servers.erlang import PortMapper
from pipeline.servers.process import NotInstalled, ServerFailed, end, free_ports, launch, wait_until

# The wrappers in /usr/sbin refuse other users, and as root switch to the user `rabbitmq`: these do neither.
_SCRIPTS = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/homebrew/sbin"), Path("/usr/local/sbin"))
_PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_consistent_hash_exchange")


def server_script() -> Path:
    """The installed `rabbitmq-server` that can be run as any user. Raises NotInstalled."""
    for folder in _SCRIPTS:
        if (folder / "rabbitmq-server").exists():
            return folder / "rabbitmq-server"
    raise NotInstalled(
        "RabbitMQ is not installed",
        fix="Install it: `apt-get install --no-install-recommends rabbitmq-server`, or `brew install rabbitmq`",
    )


class PrivateRabbitMQ:
    """One node. `start` blocks until the vhost is there and the AMQP port is open (5 to 10 s).

    Args:
        plugins: more of RabbitMQ's own.
        parent: where its folder is made; the system's temporary one by default.
        mapper: one that it shares with other nodes, and does not end.
    """

    def __init__(self, *plugins: str, parent: Path | None = None, mapper: PortMapper | None = None) -> None:
        self._plugins = (*_PLUGINS, *plugins)
        self.folder = Path(tempfile.mkdtemp(prefix="rabbitmq-", dir=parent))
        self.amqp_port, self.management_port, self._prometheus_port, self._dist_port = free_ports(4)
        self._mapper = mapper or PortMapper()
        self._shares_mapper = mapper is not None
        self._settings = self._advanced = ""
        self._node: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Its name among Erlang's nodes."""
        return f"private{self.amqp_port}@localhost"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/"

    @property
    def management_url(self) -> str:
        return f"http://guest:guest@127.0.0.1:{self.management_port}"

    def configure(self, settings: str, *, advanced: str = "") -> None:
        """Add lines to its `rabbitmq.conf`, and say what is in its `advanced.config`, for the next start."""
        self._settings += settings
        self._advanced = advanced

    def start(self) -> None:
        """Start the node; a second time with the data of the first. Raises ServerFailed."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it without waiting, which nodes of a cluster need: each waits for the others. Raises ServerFailed."""
        script = server_script()
        self._write_configuration()
        with self._lock:  # another thread may close it, and would miss what is started after that
            self._require_open()
            self._mapper.start(self.folder / "epmd.log")
            self._node = launch([str(script)], log=self.folder / "out.log", environment=self._environment())

    def wait(self) -> None:
        """Until it is ready. Raises ServerFailed; soon, if it is closed meanwhile."""
        wait_until(self._ready, name="RabbitMQ", log=self.folder / "out.log")

    def stop(self, *, kill: bool = False) -> None:
        """End the node, keeping its data: TERM, or KILL."""
        pid_file = self.folder / "node.pid"
        if pid_file.exists():
            end(int(pid_file.read_text()), kill=kill)
            pid_file.unlink(missing_ok=True)
        if self._node is not None:
            if kill:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._node.pid, signal.SIGKILL)  # one that has not come as far as its pid file
            self._node.wait(timeout=30)
            self._node = None

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` with these arguments prints; it takes a second or two. Raises ServerFailed."""
        command = [str(server_script().with_name("rabbitmqctl")), *arguments]
        environment = {**os.environ, **self._environment()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ServerFailed(f"rabbitmqctl {arguments[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def close(self, *, keep: bool = False) -> None:
        """End everything and remove the data, unless they are to be kept."""
        with self._lock:
            self._closed = True
        self.stop(kill=True)
        if not self._shares_mapper:
            self._mapper.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        self._require_open()
        if self._node is not None and self._node.poll() not in (None, 0):
            raise ServerFailed(f"RabbitMQ ended while starting:\n{(self.folder / 'out.log').read_text()[-2000:]}")
        try:
            # The management API answers before the node listens for AMQP.
            checks = ("virtual-hosts", f"port-listener/{self.amqp_port}")
            return all(
                httpx.get(f"{self.management_url}/api/health/checks/{check}", timeout=2).status_code == 200
                for check in checks
            )
        except httpx.HTTPError:
            return False

    def _require_open(self) -> None:
        if self._closed:
            raise ServerFailed("RabbitMQ was ended while it started")

    def _write_configuration(self) -> None:
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self._mapper.cookie)
            cookie.chmod(0o400)
        if self._advanced:
            (self.folder / "advanced.config").write_text(self._advanced)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self._plugins)}].")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.management_port}\n"
            f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self._prometheus_port}\n"
            f"disk_free_limit.absolute = 50MB\ncollect_statistics_interval = 1000\n{self._settings}"
        )

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(folder / "log" / "node.log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._mapper.port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }
