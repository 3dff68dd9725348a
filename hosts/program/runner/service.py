"""The systemd service of a shell runner: what runs, whether it is well, and the switch to what is to run."""
import http.client
import os
import re
import socket
import time

import files
import host
from nodeerror import NodeError, reached

STEP = "service"
# Seconds that a runner may take until it serves its metrics, or has read its settings again.
PATIENCE = 30
# What a process of the service has in its environment: with which settings it was started.
STARTED = "PI_RUNNERS_START"


def marker(pid):
    """With which settings a process was started, as it says itself; a unit's file may be newer than what runs."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            pairs = [os.fsdecode(part).partition("=") for part in stream.read().split(b"\0")]
        return next((value for name, _, value in pairs if name == STARTED), None)
    except OSError:
        return None


def unit_now(name):
    return host.units_now([name])[name]


def metrics(port):
    """What the runner tells of itself on this host's own network; None when it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.read().decode("utf-8", "replace") if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def count(text, name):
    """A counter of the metrics; 0 where there is none, as releases differ."""
    found = re.search(r"^gitlab_runner_configuration_%s_total (\S+)$" % name, text or "", re.M)
    return float(found.group(1)) if found else 0


def check_port(port, unit):
    """Refuses a port that something else has: the runner would end at its start."""
    if "127.0.0.1:%d" % port in host.command_line(unit_now(unit).pid):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NodeError("preflight", "port %d, for the runner's metrics, is taken on this host (%s)" % (port, error.strerror),
                            "Give this runner another `metricsPort`; `ss -ltnp` shows who has it.")


def is_enabled(name):
    """Does it start with the host?"""
    return host.run(["systemctl", "is-enabled", name])[0] == 0


def needs(settings, unit):
    """What has to happen to the service: `start`, `restart` or nothing."""
    if not unit.active:
        return "start"
    return "none" if marker(unit.pid) == settings["start"] else "restart"


def switch(settings, changed):
    """Brings the service to run what is written now, with as little as possible: nothing, a reload, or a restart, before
    which systemd lets the jobs end. `changed`: the settings file is another one. Says which it was."""
    name = settings["unit"]["name"]
    host.run(["systemctl", "daemon-reload"], 60, STEP)
    if not is_enabled(name):
        host.run(["systemctl", "enable", "--quiet", name], 60, STEP)
    unit = host.settled(name, settings["drain"])
    how = needs(settings, unit)
    before = metrics(settings["metricsPort"]) if how == "none" and changed else None
    if how == "restart":
        reached("restart")
        host.run(["systemctl", "reset-failed", name])
        # systemd itself aborts jobs that do not end in time.
        host.run(["systemctl", "restart", name], settings["drain"] + 120, STEP)
    elif how == "start":
        host.run(["systemctl", "reset-failed", name])
        host.run(["systemctl", "start", name], 60, STEP)
    elif changed:
        how = "reload"
        host.run(["systemctl", "reload", name], 60, STEP)
    if how in ("start", "restart"):
        wait_until_well(settings)
    elif how == "reload":
        wait_until_read(settings, before)
    reached("switched")
    return how


def wait_until_well(settings):
    """A service that starts and then ends is no success: it has to answer, as the process that was just started."""
    name = settings["unit"]["name"]
    if not stays(name, settings["start"], lambda: metrics(settings["metricsPort"]) is not None):
        raise NodeError(STEP, "%s does not come up: %s" % (name, last_words(name)),
                        "See `journalctl -u %s` on the host." % name)


def stays(name, start=None, serves=lambda: True):
    """Whether there comes to be one process (started with these settings, if they are given) that is there for a second, and
    serves."""
    give_up, since = time.monotonic() + PATIENCE, None
    while time.monotonic() < give_up:
        unit = unit_now(name)
        if unit.active and start in (None, marker(unit.pid)) and serves():
            if since == unit.pid:
                return True
            since = unit.pid
            time.sleep(1)
        time.sleep(0.2)
    return False


def wait_until_read(settings, before):
    """The runner keeps its old settings when it cannot read new ones, and counts both."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        now = metrics(settings["metricsPort"])
        if count(now, "loading_error") > count(before, "loading_error"):
            break
        if count(now, "loaded") > count(before, "loaded"):
            return
        time.sleep(0.2)
    name = settings["unit"]["name"]
    raise NodeError("reload", "the runner does not take its new settings: %s" % last_words(name),
                    "Correct the runner's `config`; see `journalctl -u %s` on the host." % name)


def last_words(name):
    """The end of the service's log; the runner shortens tokens in it."""
    _, output = host.run(["journalctl", "-u", name, "-n", "5", "-o", "cat", "--no-pager"], 20)
    return output[-1000:] or "it says nothing"


def stop(name, drain):
    """Stops the service once its jobs have ended, and takes it out of the boot."""
    if unit_now(name).present:
        host.run(["systemctl", "stop", name], drain + 120, STEP)
        host.run(["systemctl", "disable", "--quiet", name], 60)
        host.run(["systemctl", "reset-failed", name])
    reached("stopped")


def forget():
    host.run(["systemctl", "daemon-reload"], 60, STEP)


def write(one, record, context):
    """Puts one of our own files in place; True when that changed it. What somebody has changed in it by hand is replaced."""
    data = one["text"].encode("utf-8")
    seen = files.look(one["path"], "write")
    mode = int(one["mode"], 8)
    if record.edited(one["path"], seen.data) and seen.data != data:
        context.warn("%s was changed by hand since; it holds again what the stack says." % one["path"])
    record.will_make("file:" + one["path"])
    record.wrote(one["path"], data)
    if seen.data is not None:
        os.chmod(seen.real, mode)
    if seen.data == data:
        return False
    files.replace(seen, data, "write", mode)
    os.chmod(one["path"], mode)
    return True
