"""Plays histories of applies, removes, hand edits, failures and power cuts against shellrunner.py, with stand-ins for what
only a host has: systemd, its users, gitlab-runner.

The stand-in for systemd does what the program needs of it, in memory: a service runs what its unit said when it was started,
and an edit of the unit changes nothing until then. What the real ones do is proven on hosts, in test/host/shell.
"""
import contextlib
import hashlib
import os
import re
import shutil
import tempfile

import account
import binary
import files
import host
import ledger
import nodeerror
import runnerledger
import service
import shellrunner

PATCHED = [(account, "found"), (account, "check"), (account, "make"), (account, "join"), (account, "leave"), (account, "remove"),
           (account, "is_member"), (account, "has_group"), (binary, "fetch"), (binary, "foreign"), (binary, "try_out"),
           (files, "check_writable"), (host, "run"), (host, "units_now"), (host, "has"), (host, "restart"),
           (service, "marker"), (service, "metrics"), (service, "check_port"), (service, "PATIENCE"), (runnerledger, "HOME"),
           (shellrunner.pwd, "getpwnam"), (os, "chown")]
STEPS = (account, binary, files, runnerledger, service, shellrunner)


class PowerCut(BaseException):
    """Ends a run at a step, as if the power had gone."""


class Host:
    """A host in memory, but for its files, which are in a folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.users, self.docker = {"root"}, set()
        self.running = {}
        self.pids = {}
        self.enabled = set()
        self.broken = self.asked = None
        self.cut = None
        self.steps = 0
        runnerledger.HOME = self.path("var/lib/pi-runners/shell_runners")
        for place in ("etc/systemd/system", "usr/lib"):
            os.makedirs(self.path(place))
        os.makedirs(runnerledger.HOME)

    def path(self, name):
        return os.path.join(self.folder, name)

    def unit_path(self, unit):
        return self.path("etc/systemd/system/" + unit)

    # systemd
    def units_now(self, names):
        found = {}
        for name in names:
            there = os.path.exists(self.unit_path(name))
            state = "active" if name in self.running else "inactive"
            found[name] = host.Unit(name, {"LoadState": "loaded" if there else "not-found", "ActiveState": state,
                                           "MainPID": str(self.pids.get(name, 0))})
        return found

    def start(self, name):
        text = files.read(self.unit_path(name)).decode("utf-8")
        self.pids[name] = max(list(self.pids.values()) + [100]) + 1
        self.running[name] = re.search("PI_RUNNERS_START=(.*)", text).group(1)
        if self.broken == "serve" and self.running[name] == self.asked:
            self.stop(name)

    def stop(self, name):
        self.running.pop(name, None)

    def run(self, command, seconds=20, check=None):
        if command[0] != "systemctl":
            return 0, ""
        name = command[-1]
        if command[1] in ("start", "restart"):
            self.stop(name)
            self.start(name)
        elif command[1] == "stop":
            self.stop(name)
        elif command[1] == "enable":
            self.enabled.add(name)
        elif command[1] == "disable":
            self.enabled.discard(name)
        elif command[1] == "is-enabled":
            return (0 if name in self.enabled else 1), ""
        return 0, ""

    def marker(self, pid):
        return next((self.running[name] for name, one in self.pids.items() if one == pid and name in self.running), None)

    def metrics(self, port):
        return "gitlab_runner_configuration_loaded_total %d\n" % self.loads() if self.running else None

    def loads(self):
        """It counts at each look: as if the runner had just read its file."""
        self.steps += 1
        return self.steps

    # users
    def make_user(self, name, record):
        if name not in self.users:
            record.will_make("user:" + name)
            self.users.add(name)
            nodeerror_reached("user")

    def join(self, name, group, record):
        if name not in self.docker:
            record.will_make("member:%s:%s" % (name, group))
            self.docker.add(name)

    # gitlab-runner
    def fetch(self, one):
        if self.broken == "fetch":
            raise nodeerror.NodeError("binary", "cannot be fetched", "fix it")
        binary.keep(Once(one["content"]), one)

    def try_out(self, settings, report):
        if self.broken == "try":
            raise nodeerror.NodeError("try it", "does not run", "fix it")

    def step(self, name):
        if self.cut is not None:
            self.cut -= 1
            if self.cut < 0:
                raise PowerCut(name)

    def everything(self):
        """All that is on the host, ledger aside."""
        found = []
        for folder, _, names in os.walk(self.folder):
            found += [os.path.join(folder, name) for name in names] + [folder]
        there = {path[len(self.folder):]: (files.read(path) if os.path.isfile(path) else None) for path in found
                 if "shell_runners" not in path}
        return there, sorted(self.users), sorted(self.docker), dict(self.running), sorted(self.enabled)


class Once:
    """A stream of one text."""

    def __init__(self, text):
        self.rest = text.encode("utf-8")

    def __call__(self, size):
        part, self.rest = self.rest[:size], self.rest[size:]
        return part


def nodeerror_reached(step):
    account.reached(step)


def settings_of(world, runner, variant):
    """Settings in a few variants: another program, another text of the settings, Docker or not."""
    program, text, docker = variant
    unit, content = "pi-runners-%s.service" % runner, "program %d" % program
    path = world.path("usr/lib/pi-runners/gitlab-runner-%d" % program)
    folder = world.path("etc/pi-runners/" + runner)
    start = "%d" % program
    return {
        "node": "n", "owner": "stack/" + runner, "runner": runner, "url": "u", "user": "gitlab-runner", "docker": docker,
        "metricsPort": 1, "drain": 1, "limit": 10, "start": start, "program": path, "folder": folder,
        "builds": world.path("var/lib/pi-runners/shell_builds/%s/gitlab-runner" % runner),
        "binary": {"path": path, "sha256": hashlib.sha256(content.encode("utf-8")).hexdigest(), "url": "u", "content": content},
        "files": [{"path": folder + "/config.toml", "text": "settings %d\n" % text, "mode": "600"}],
        "unit": {"name": unit, "path": world.unit_path(unit), "text": "PI_RUNNERS_START=%s\n" % start, "mode": "644"},
    }


@contextlib.contextmanager
def world():
    kept = [(module, name, getattr(module, name)) for module, name in PATCHED]
    reached = [(module, module.reached) for module in STEPS]
    one = Host()
    try:
        account.found = lambda name: name if name in one.users else None
        account.make, account.join, account.remove = one.make_user, one.join, one.users.discard
        account.check = lambda *_: None
        account.leave = lambda name, group: one.docker.discard(name)
        account.is_member, account.has_group = lambda name, group: name in one.docker, lambda group: True
        binary.fetch, binary.foreign, binary.try_out = one.fetch, lambda records: None, one.try_out
        files.check_writable = lambda *_: None
        host.run, host.units_now, host.has = one.run, one.units_now, lambda name: True
        host.restart = lambda name, check=None: one.run(["systemctl", "restart", name])
        service.marker, service.metrics, service.check_port = one.marker, one.metrics, lambda *_: None
        service.PATIENCE = 0.01
        service.time.sleep, slept = (lambda seconds: None), service.time.sleep
        shellrunner.pwd.getpwnam = lambda name: type("Entry", (), {"pw_uid": 1, "pw_gid": 1})()
        os.chown = lambda *_: None
        for module in STEPS:
            module.reached = one.step
        yield one
    finally:
        service.time.sleep = slept
        for module, name, value in kept:
            setattr(module, name, value)
        for module, value in reached:
            module.reached = value
        shutil.rmtree(one.folder)


def play(events):
    """Runs a history and says what is wrong at its end, or None."""
    with world() as one:
        before = one.everything()
        desired = {}
        for event in events:
            wrong = happen(one, event, desired)
            if wrong:
                return "%s: %s" % (event, wrong)
        for runner in ("a", "b"):
            act(one, "remove", settings_of(one, runner, [0, 0, False]), None, None)
        after = one.everything()
        if after != before:
            return "at the end there is %s" % sorted(set(after[0]) ^ set(before[0])) + str(after[1:])
        return "the ledger stays: %s" % ledger.records(runnerledger.HOME) if ledger.records(runnerledger.HOME) else None


def happen(one, event, desired):
    kind, runner = event[:2]
    if kind == "edit":
        path = one.path("etc/pi-runners/%s/config.toml" % runner)
        if os.path.exists(path):
            with open(path, "w") as stream:
                stream.write("by hand\n")
        return None
    if kind == "remove":
        act(one, "remove", settings_of(one, runner, [0, 0, False]), None, event[2])
        desired.pop(runner, None)
        return None
    _, _, variant, broken, cut = event
    settings = settings_of(one, runner, variant)
    before, mine, noted = one.everything(), runner in desired, ledger.records(runnerledger.HOME)
    ended = act(one, "apply", settings, broken, cut)
    if ended == "refused" and mine and desired[runner] is not None and one.everything()[3:] != before[3:]:
        return "refused, and another thing runs: %s, not %s" % (one.everything()[3:], before[3:])
    if ended == "refused" and not noted and one.everything() != before:
        return "refused, and left %s" % sorted(set(one.everything()[0]) ^ set(before[0]))
    # After a cut nobody can say which of both it is; the next run decides.
    desired[runner] = variant if ended == "done" else (desired.get(runner) if ended == "refused" and mine else None)
    if ended == "refused" and not mine:
        desired.pop(runner)
    return judge(one, desired)


def act(one, action, settings, broken, cut):
    one.broken, one.asked, one.cut = broken, settings["start"], cut
    try:
        shellrunner.duty(action, settings, nodeerror.Context("n", settings["owner"]), {})
        return "done"
    except PowerCut:
        return "cut"
    except nodeerror.NodeError:
        return "refused"
    finally:
        one.broken, one.cut = None, None


def judge(one, desired):
    """Every runner that was applied runs what was asked for, and has all its files."""
    for runner, variant in desired.items():
        if variant is None:
            continue
        settings = settings_of(one, runner, variant)
        if one.running.get(settings["unit"]["name"]) != settings["start"]:
            return "%s runs %s" % (runner, one.running)
        found = [line for line in shellrunner.differences(settings, runnerledger.Record(runner))
                 if "config.toml" not in line and not line.startswith("- ")]
        if found:
            return "%s differs: %s" % (runner, found)
    return None
