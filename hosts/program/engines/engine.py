"""Docker as it runs on this host: which daemon, which settings file, which socket, and what it says of itself."""
import json
import os
import re
import signal
import socket
import time

import docker_reader
import host
from nodeerror import NodeError

DEFAULT_CONFIG = "/etc/docker/daemon.json"
SNAP_CONFIG = "/var/snap/docker/current/config/daemon.json"
APT, SNAP = "docker.service", "snap.docker.dockerd.service"
DEFAULT_SOCKET = "/var/run/docker.sock"
# Seconds within which an engine has acted on a reload.
PATIENCE = 15


class SilentError(Exception):
    """The engine does not answer."""


class Goal:
    """What the engine must say: these names are insecure, those are not."""

    def __init__(self, there, gone):
        self.there = set(there)
        self.gone = set(gone)

    def reached(self, shown):
        return self.there <= shown and not self.gone & shown


class Engine:
    """One Docker daemon, running or stopped."""

    def __init__(self, unit):
        self.unit = unit
        self.snap = unit.name == SNAP
        self.words = host.command_line(unit.pid) if unit.pid else host.planned_command_line(unit)
        default = SNAP_CONFIG if self.snap else DEFAULT_CONFIG
        self.config = (host.flag(self.words, "config-file") or [default])[-1]
        self.default_config = self.config == DEFAULT_CONFIG and not self.snap
        self.certs = "/var/snap/docker/current/etc/docker/certs.d" if self.snap else "/etc/docker/certs.d"
        self.socket = socket_path(self.words, unit.pid)
        self.began = host.started(unit.pid) if unit.pid else None

    @property
    def name(self):
        return "docker (snap)" if self.snap else "docker"

    def info(self, seconds=20):
        """The engine's own words: GET /info."""
        status, body = ask(self.socket, "/info", seconds)
        if status != 200:
            raise SilentError("GET /info answers %d" % status)
        return json.loads(body.decode("utf-8"))

    def reaches(self, goal, seconds=PATIENCE):
        """True once the engine itself says that the goal is reached, by the process that we know."""
        give_up = time.monotonic() + seconds
        pause = 0.02
        while time.monotonic() < give_up:
            try:
                if goal.reached(insecure(self.info(5))):
                    return self.same_process()
            except SilentError:
                if not self.alive():
                    return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return False

    def manifest(self, address):
        """The engine's answer when it is asked for a manifest that hardly exists; any answer of a registry will do."""
        try:
            _, body = ask(self.socket, "/distribution/%s/pi-runners-trust-check:none/json" % address, 3)
            return body.decode("utf-8", "replace").strip()
        except SilentError as error:
            return "no answer in time: %s" % error

    def refusal(self, text):
        """Why it would not start with this text as its settings: docker_reader.refusal."""
        return docker_reader.refusal(self, text)

    def started_at(self):
        """When its process started, in seconds since 1970."""
        boot = [line.split()[1] for line in host.read_lines("/proc/stat") if line.startswith("btime ")]
        return int(boot[0]) + int(self.began) / os.sysconf("SC_CLK_TCK") if boot and self.began else 0

    def same_process(self):
        """Is the daemon that we found still the one that systemd runs?"""
        return self.began is not None and host.started(self.unit.pid) == self.began

    def alive(self):
        unit = host.units_now([self.unit.name])[self.unit.name]
        return unit.active and unit.pid == self.unit.pid and self.same_process()

    def reload(self):
        """SIGHUP, as `systemctl reload docker` sends it; the daemon answers nothing, so it must be asked afterwards."""
        if not self.same_process():
            raise SilentError("the daemon is not running any more")
        os.kill(self.unit.pid, signal.SIGHUP)

    def restart(self):
        if self.snap and host.has("snap"):
            host.run(["snap", "restart", "docker"], 180)
        else:
            host.restart(self.unit.name)
        self.find_again()

    def start(self):
        """Brings a daemon back that died."""
        host.run(["systemctl", "reset-failed", self.unit.name])
        host.run(["systemctl", "start", self.unit.name], 120)
        self.find_again()

    def find_again(self):
        self.unit = host.settled(self.unit.name, 60)
        self.began = host.started(self.unit.pid) if self.unit.pid else None


class Gone(Engine):
    """An engine that was there when its file was written, and is no more, or reads another file now."""

    def __init__(self, config):
        self.unit = host.Unit("the engine of %s" % config, {})
        self.words = []
        self.config = config
        self.default_config = config == DEFAULT_CONFIG
        self.certs = os.path.join(os.path.dirname(config), "certs.d")


def socket_path(words, pid):
    """The unix socket of its API: one on which the process listens, the one that its flags name first. Settings do not
    tell: `hosts` may have been edited since it started, and fd:// is whatever docker.socket says."""
    hosts = host.flag(words, "host")
    for place, word in enumerate(words):
        if word == "-H" and place + 1 < len(words):
            hosts.append(words[place + 1])
        elif word.startswith("-H") and len(word) > 2:
            hosts.append(word[2:].lstrip("="))
    named = [value[7:] for value in hosts if value.startswith("unix://") and value[7:]] + [DEFAULT_SOCKET]
    found = {os.path.realpath(path): path for path in listening(pid)}
    real = [os.path.realpath(path) for path in named]
    first = [path for path, where in zip(named, real) if where in found]
    paths = first + [path for where, path in sorted(found.items()) if where not in real]
    # One that systemd has handed over but that the daemon does not serve is open as well.
    answering = (path for path in paths if pings(path)) if len(paths) > 1 else iter(paths)
    return next(answering, (paths + named)[0])


def pings(path):
    try:
        return ask(path, "/_ping", 2)[0] == 200
    except SilentError:
        return False


def listening(pid):
    """Paths of unix sockets on which a process listens, without those that dockerd has for other purposes."""
    inodes = set()
    try:
        for name in os.listdir("/proc/%d/fd" % pid):
            inodes.add(os.readlink("/proc/%d/fd/%s" % (pid, name)))
    except OSError:
        pass  # it has just closed one, or has ended
    found = []
    for line in host.read_lines("/proc/net/unix")[1:]:
        words = line.split(None, 7)
        if len(words) == 8 and int(words[3], 16) & 0x10000 and "socket:[%s]" % words[6] in inodes:
            found.append(words[7])
    return sorted(path for path in found if path.startswith("/") and not path.endswith("/metrics.sock")
                  and "/libnetwork/" not in path and "/plugins/" not in path)


def ask(path, request, seconds):
    """One HTTP request over a unix socket, with a limit on the whole of it."""
    give_up = time.monotonic() + seconds
    parts = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(("GET %s HTTP/1.0\r\nHost: docker\r\n\r\n" % request).encode("ascii"))
            while True:
                connection.settimeout(max(0.01, give_up - time.monotonic()))
                part = connection.recv(1 << 16)
                if not part:
                    break
                parts.append(part)
    except OSError as error:
        raise SilentError("%s does not answer (%s)" % (path, error))
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    try:
        return int(head.split(b" ", 2)[1]), body
    except (IndexError, ValueError):
        raise SilentError("%s answers nothing that is HTTP" % path)


def insecure(info):
    """What the engine itself treats as insecure: hosts and networks. The two loopback networks are always there."""
    registries = info.get("RegistryConfig") or {}
    configs = registries.get("IndexConfigs") or {}
    hosts = {name for name, config in configs.items() if not config.get("Secure")}
    networks = set(registries.get("InsecureRegistryCIDRs") or [])
    return hosts | networks


def version(info):
    """The engine's version as numbers, for comparing."""
    numbers = re.findall(r"\d+", info.get("ServerVersion", ""))
    return tuple(int(number) for number in (numbers + ["0", "0", "0"])[:3])


def find():
    """The Docker engines of this host, as systemd knows them: never by process name, as jobs run daemons too."""
    known = host.units([APT, SNAP])
    # A unit that was masked or removed may run on.
    present = [unit for unit in known.values() if unit.loaded or unit.pid]
    running = [unit for unit in present if unit.state not in ("inactive", "failed")]
    engines = [Engine(host.settled(unit.name) if unit.state != "active" else unit) for unit in running or present]
    if len({engine.socket for engine in engines}) < len(engines):
        names = " and ".join(engine.unit.name for engine in engines)
        raise NodeError("engine", "two Docker engines share one socket: %s" % names,
                        "Keep one: `snap remove docker`, or `apt-get remove docker.io docker-ce`; then run again.")
    return engines
