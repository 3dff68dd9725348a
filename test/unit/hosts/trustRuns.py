"""Runs of the whole program with stand-ins for what only a host has: engines, the lock's place, who listens."""
import io
import os
import shutil
import sys
import tempfile

import files
import histories
import host
import ledger
import main as core
import registry
import trust
from nodeerror import NodeError


class Place:
    def __init__(self, engine, config):
        self.engine = engine
        self.config = config


class Listed:
    """A kind of engine in memory; `broken` says how it fails: when looked for, or when worked on."""

    def __init__(self, name, broken=None):
        self.name = name
        self.broken = broken
        self.step = "ask the engine"
        self.done = []

    def find(self, named, context):
        if self.broken == "find":
            raise NodeError("engine", "%s cannot be found out" % self.name, "fix it")
        return [Place(self.name, "/etc/" + self.name)]

    def reconcile(self, place, want, context):
        if self.broken == "reconcile":
            raise NodeError(self.step, "%s does not answer" % self.name, "fix it")
        record = ledger.Record(self.name + "-1", place.config)
        if not context.dry:
            self.done.append([entry["address"] for entry in want])
            record.claim(context.owner, [entry["address"] for entry in want], [])
            record.save()
        return {"engine": self.name}

    def gone(self, config):
        return Place(self.name, config)


class Stream(io.StringIO):
    """Where whoever asked listens, or not any more; `meanwhile` happens when it is told."""

    def __init__(self, meanwhile=None, broken=False):
        super().__init__()
        self.meanwhile = meanwhile
        self.broken = broken

    def write(self, text):
        if self.meanwhile is not None:
            self.meanwhile()
        if self.broken:
            raise BrokenPipeError()
        return super().write(text)


def within(engines, work):
    """Does something on a host of its own."""
    home = tempfile.mkdtemp()
    kept = (ledger.HOME, ledger.Record.__init__.__defaults__, ledger.records.__defaults__, ledger.Lock.__init__.__defaults__,
            ledger.Desired.__init__.__defaults__, registry.ENGINES, files.check_writable, host.preflight,
            host.preflight_warnings, os.geteuid, core.shield, sys.stdout, sys.stderr)
    place(os.path.join(home, "pi-runners", "trust"))
    registry.ENGINES = engines
    files.check_writable, host.preflight, host.preflight_warnings = lambda *_: None, dict, lambda _: []
    os.geteuid, core.shield = lambda: 0, lambda *_: None
    try:
        return work()
    finally:
        (ledger.HOME, ledger.Record.__init__.__defaults__, ledger.records.__defaults__, ledger.Lock.__init__.__defaults__,
         ledger.Desired.__init__.__defaults__, registry.ENGINES, files.check_writable, host.preflight,
         host.preflight_warnings, os.geteuid, core.shield, sys.stdout, sys.stderr) = kept
        shutil.rmtree(home)


def place(home):
    ledger.HOME = home
    for function in (ledger.Record.__init__, ledger.records, ledger.Desired.__init__):
        function.__defaults__ = (home,)
    ledger.Lock.__init__.__defaults__ = (home, 0.2)


def run(action, engines=None, stdout=None):
    """Exit status, what was reported, what was said against it."""
    sys.stdout, sys.stderr = stdout or Stream(), Stream()
    status = trust.main(action, {"node": "n", "owner": "o", "engines": engines,
                                 "registries": [{"address": "r:1", "insecure": True}]})
    return status, sys.stdout.getvalue(), sys.stderr.getvalue()


def removal_beside(broken, step):
    """A stack that has something in one engine goes; another engine of the node, in which it has nothing, is broken."""
    good, bad = Listed("good"), Listed("bad")
    bad.step = step

    def work():
        run("apply", ["good"])
        bad.broken = broken
        status, out, err = run("remove", ["good"])
        return {"status": status, "done": good.done, "error": err, "ledger": ledger.records()}
    return within([good, bad], work)


def removal_of_broken():
    """The broken engine is one in which the stack has something."""
    bad = Listed("bad")

    def work():
        run("apply", ["bad"])
        bad.broken = "reconcile"
        status, _, err = run("remove", ["bad"])
        return {"status": status, "error": err}
    return within([bad], work)


def second_run():
    """Whoever asked for the first apply is gone, and asks again before that run has ended."""
    good = Listed("good")
    seen = []

    def again():
        try:
            with ledger.Lock():
                seen.append("came between")
        except NodeError:
            seen.append("waits")

    def work():
        status, _, _ = run("apply", ["good"], Stream(again, True))
        return {"status": status, "seen": seen, "ledger": ledger.records(), "done": good.done}
    return within([good], work)


def strange_names():
    """A socket whose name is in no encoding, and a settings file with a comment like that."""
    import socket
    folder = tempfile.mkdtemp()
    path = os.path.join(os.fsencode(folder), b"\xff\xfe")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(1)
            return any(os.fsencode(line).endswith(path) for line in host.read_lines("/proc/net/unix"))
    finally:
        shutil.rmtree(folder)


def lost_authority():
    """Two stacks, a CA each for one registry; somebody deletes the one's file, then the other stack runs."""
    import certsd
    import nodeerror
    home = tempfile.mkdtemp()
    folder = os.path.join(home, "certs.d")

    def work():
        os.makedirs(ledger.HOME)
        for owner in "ab":
            certsd.reconcile(certsd.Place("containerd", None, folder, "?"), [{"address": "r:1", "ca": owner}],
                             nodeerror.Context("n", owner))
            if owner == "a":
                lost = [name for name in os.listdir(folder + "/r:1") if name.endswith(".crt")]
        os.unlink(os.path.join(folder, "r:1", lost[0]))
        certsd.reconcile(certsd.Place("containerd", None, folder, "?"), [{"address": "r:1", "ca": "b"}],
                         nodeerror.Context("n", "b"))
        text = files.read(folder + "/r:1/hosts.toml").decode("utf-8")
        return {"lost": lost[0] in text, "there": [name in text for name in os.listdir(folder + "/r:1") if ".crt" in name]}
    try:
        return within([], work)
    finally:
        shutil.rmtree(home)


def restart_of_k3s(theirs):
    """k3s runs, somebody has edited its file since, and a restart is allowed. The refusal, and how often it restarted."""
    import k3s
    import marked
    import nodeerror
    folder, restarted = tempfile.mkdtemp(), []
    path = os.path.join(folder, "registries.yaml")
    with open(path, "w") as stream:
        stream.write(theirs)
    unit = type("Unit", (), {"name": "k3s.service", "active": True, "loaded": True, "pid": 1})()
    kept, marked.restart_service = marked.restart_service, restarted.append

    def work():
        os.makedirs(ledger.HOME)
        try:
            marked.reconcile(k3s.K3s(unit, "?", path), [{"address": "r:1", "insecure": True}],
                             nodeerror.Context("n", "o", True))
            return {"restarts": len(restarted)}
        except NodeError as error:
            same = files.read(path) == theirs.encode("utf-8")
            return {"restarts": len(restarted), "error": error.what.replace(folder, "FOLDER"), "same": same}
    try:
        return within([], work)
    finally:
        marked.restart_service = kept
        shutil.rmtree(folder)


def ca_of_moved_docker():
    """Docker is told to read another settings file; its CA files are in the same folder as before."""
    import docker
    import engine
    import nodeerror

    def work(world):
        os.makedirs(ledger.HOME)
        want, context = [{"address": "r:1", "ca": "CA\n"}], nodeerror.Context("n", "o")
        docker.reconcile(world.engine, want, context)
        before = engine.Gone(world.engine.config)
        before.certs = world.engine.certs
        world.engine.config = os.path.join(world.folder, "etc", "other.json")
        docker.reconcile(world.engine, want, context)
        docker.reconcile(before, [], context)
        there = os.listdir(os.path.join(world.engine.certs, "r:1")) if os.path.isdir(world.engine.certs) else []
        records = len(ledger.records(ledger.HOME))
        docker.reconcile(world.engine, [], context)
        return {"there": len(there), "records": records, "after": os.listdir(ledger.HOME)}
    return histories.within(None, "26.1.5", work)
