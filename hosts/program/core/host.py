"""What the host is: commands with time limits, systemd's view of services, and the report of a node's fitness."""
import os
import shlex
import shutil
import subprocess
import sys
import time

from nodeerror import NodeError


def run(command, seconds=20, check=None):
    """Runs a command with a time limit; (status, output). With check, failing is a NodeError at that step."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds)
        status, output = done.returncode, done.stdout.decode("utf-8", "replace").strip()
    except FileNotFoundError:
        status, output = 127, "%s is not installed" % command[0]
    except subprocess.TimeoutExpired:
        status, output = 124, "no end after %d s" % seconds
    if check is not None and status != 0:
        raise NodeError(check, "`%s` failed: %s" % (" ".join(command), output[-2000:]), "Fix that, then run again.")
    return status, output


def restart(name, check=None):
    """Restarts a unit. systemd's count of its starts is cleared first: with too many of them it would stop a unit that
    runs (Docker's own allows three a minute) and then refuse to start it."""
    run(["systemctl", "reset-failed", name])
    return run(["systemctl", "restart", name], 180, check)


class Unit:
    """A systemd service as `systemctl show` tells it."""

    def __init__(self, name, values):
        self.name = name
        self.loaded = values.get("LoadState") == "loaded"
        self.state = values.get("ActiveState", "inactive")
        self.pid = int(values.get("MainPID") or 0)
        self.start = values.get("ExecStart", "")

    @property
    def present(self):
        """Is it there, or at least still running (masked, or its file removed)?"""
        return self.loaded or self.active

    @property
    def active(self):
        return self.state in ("active", "reloading")


# Services that the duties of a run ask for; systemd is asked for all at once.
KNOWN = []
first_look = {}


def units(names):
    """Services as they were at the first look, which asks for all at once."""
    if not first_look:
        first_look.update(units_now(KNOWN))
    return {name: first_look[name] for name in names}


def units_now(names):
    """Services as they are; names that do not exist are not loaded."""
    command = ["systemctl", "show", "-p", "Id,LoadState,ActiveState,MainPID,ExecStart"] + names
    status, output = run(command)
    if status != 0:
        raise NodeError("systemd", "systemctl does not answer: %s" % output[-500:],
                        "Nodes need systemd; see docs/registry-trust.md.")
    found = {}
    for block in output.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[values.get("Id", "")] = values
    return {name: Unit(name, found.get(name, {})) for name in names}


def settled(name, seconds=30):
    """The service once it is neither starting nor stopping."""
    give_up = time.monotonic() + seconds
    unit = units_now([name])[name]
    while unit.state in ("activating", "deactivating", "reloading") and time.monotonic() < give_up:
        time.sleep(0.2)
        unit = units_now([name])[name]
    return unit


def command_line(pid):
    """A process's arguments."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            return [os.fsdecode(part) for part in stream.read().split(b"\0")[:-1]]
    except OSError:
        return []


def started(pid):
    """When a process started, in ticks since boot; tells one process from another that has got its number."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            return stream.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def planned_command_line(unit):
    """The arguments that a stopped service would start with, as far as systemd tells them."""
    for part in unit.start.split(" ; "):
        if part.strip(" {").startswith("argv[]="):
            words = part.strip(" {").split("=", 1)[1]
            try:
                return expand(shlex.split(words))
            except ValueError:
                return words.split()
    return []


def expand(words):
    """Debian's and Ubuntu's docker.service takes $DOCKER_OPTS from /etc/default/docker; Docker's own takes none."""
    options = []
    for word in words:
        if word in ("$DOCKER_OPTS", "${DOCKER_OPTS}"):
            options += default_options()
        else:
            options.append(word)
    return options


def default_options(path="/etc/default/docker"):
    try:
        with open(path) as stream:
            lines = [line.strip() for line in stream if line.strip().startswith("DOCKER_OPTS=")]
        return shlex.split(" ".join(shlex.split(lines[-1].split("=", 1)[1]))) if lines else []
    except (OSError, ValueError):
        return []


def environment(name):
    """What systemd gives a service as its environment, as far as unit and environment files say it."""
    _, output = run(["systemctl", "show", "-p", "Environment,EnvironmentFiles", name])
    values = {}
    for key, _, value in (line.partition("=") for line in output.splitlines()):
        lines = read_lines(value.rsplit(" (", 1)[0]) if key == "EnvironmentFiles" else words_of(value)
        pairs = [line.strip().partition("=") for line in lines if "=" in line and not line.strip().startswith(("#", ";"))]
        values.update((left, " ".join(words_of(right))) for left, _, right in pairs)
    return values


def words_of(text):
    """A text's words as a shell splits them."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def flag(words, *names):
    """Values given for flags, in both spellings: --name value, --name=value, and with one dash as well."""
    spellings = {dashes + name for name in names for dashes in ("-", "--")}
    values = []
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in spellings and equals:
            values.append(value)
        elif word in spellings and place + 1 < len(words):
            values.append(words[place + 1])
    return values


def preflight():
    """Facts about the node that decide whether containers will run well on it."""
    machine = os.uname()
    return {
        "architecture": machine.machine,
        "kernel": machine.release,
        "system": system_name(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "memoryCgroup": memory_cgroup(),
        "iptables": iptables(),
        "forwardPolicy": forward_policy(),
        "ipForward": first_line("/proc/sys/net/ipv4/ip_forward") == "1",
        "freeMiB": free_mib("/"),
        "clock": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "clockSynchronized": os.path.exists("/run/systemd/timesync/synchronized") or None,
    }


def preflight_warnings(report):
    """What of these facts will hurt, and the way out."""
    found = []
    if not report["memoryCgroup"]:
        found.append("The memory cgroup is off, so limits are ignored: add cgroup_enable=memory cgroup_memory=1 to "
                     "/boot/firmware/cmdline.txt and reboot.")
    if report["forwardPolicy"] == "DROP" and not os.path.isdir("/sys/class/net/docker0"):
        found.append("The FORWARD policy is DROP, so pods may have no network: iptables -P FORWARD ACCEPT.")
    if report["freeMiB"] < 1024:
        found.append("Only %d MiB are free on /: images will not fit." % report["freeMiB"])
    if report["clock"] < "2026":
        found.append("The clock says %s: certificates will look invalid until it is set." % report["clock"])
    return found


def system_name():
    for line in read_lines("/etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip().strip('"')
    return "unknown"


def memory_cgroup():
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "memory" in (first_line("/sys/fs/cgroup/cgroup.controllers") or "").split()
    rows = [line.split() for line in read_lines("/proc/cgroups")]
    return any(row[0] == "memory" and row[3] == "1" for row in rows if len(row) > 3)


def iptables():
    """`iptables v1.8.9 (nf_tables)` or `(legacy)`: a mix of both on one host loses rules."""
    status, output = run(["iptables", "--version"], 5)
    return output if status == 0 else None


def forward_policy():
    status, output = run(["iptables", "-w", "2", "-S", "FORWARD"], 5)
    first = output.splitlines()[0].split() if status == 0 and output else []
    return first[2] if first[:2] == ["-P", "FORWARD"] else None


def free_mib(path):
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize >> 20


def first_line(path):
    lines = read_lines(path)
    return lines[0] if lines else None


def read_lines(path):
    """A file's lines, none where it cannot be read. Names of sockets and comments may be in any encoding."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def has(command):
    return shutil.which(command) is not None
