"""Plays histories of applies, removes, hand edits and power cuts against docker.py, with a stand-in for the engine.

The stand-in is not dockerd: it is dockerd's documented way with this one setting (acts on SIGHUP, only on a key that is
there, never on a broken file), in memory. What dockerd really does is proven on nodes, in test/trust.
"""
import json
import os
import shutil
import tempfile

import docker
import files
import ledger
import problem


class PowerCut(BaseException):
    """Ends a run at a step, as if the power had gone."""


class StandIn:
    """An engine in memory."""

    name = "docker"
    snap = False
    words = ["dockerd"]
    default_config = True

    def __init__(self, folder):
        self.config = os.path.join(folder, "daemon.json")
        self.certs = os.path.join(folder, "certs.d")
        self.socket = "/nowhere"
        self.trusted = set()
        self.reloads = 0
        self.unit = type("Unit", (), {"name": "docker.service", "active": True, "pid": 1})()

    def info(self, seconds=0):
        configs = {name: {"Secure": False} for name in self.trusted}
        return {"ServerVersion": "20.10.24", "RegistryConfig": {"IndexConfigs": configs, "InsecureRegistryCIDRs": []}}

    def reload(self):
        self.reloads += 1
        settings = read(self.config)
        if "insecure-registries" in settings:
            self.trusted = set(settings["insecure-registries"])

    def same_process(self):
        return True

    alive = same_process


def read(path):
    try:
        with open(path) as stream:
            text = stream.read()
    except FileNotFoundError:
        return {}
    return json.loads(text) if text.strip() else {}


class World:
    """A host, what its owner did by hand, and what the stacks were told."""

    def __init__(self, start):
        self.folder = tempfile.mkdtemp()
        self.engine = StandIn(self.folder)
        self.cut = None
        self.steps = 0
        ledger.HOME = os.path.join(self.folder, "ledger")
        self.hand = []
        # What a run that was cut off had been about to add or to remove, and what of ours the owner took out by hand. Where the owner
        # then adds the same by hand, nobody can tell whose it is; docs/registry-trust.md says so.
        self.unsure = set()
        if start is not None:
            with open(self.engine.config, "w") as stream:
                stream.write(start)
            self.hand = list(read(self.engine.config).get("insecure-registries", []))
            self.engine.reload()

    def step(self, _):
        self.steps += 1
        if self.cut is not None and self.steps > self.cut:
            raise PowerCut()

    def run(self, owner, entries, cut=None):
        """One run; True when it was not cut off."""
        self.cut, self.steps = cut, 0
        context = problem.Context("n", owner)
        want = [{"address": entry, "insecure": True} for entry in entries]
        try:
            os.makedirs(ledger.HOME, exist_ok=True)
            docker.reconcile(self.engine, want, context)
            return True
        except PowerCut:
            self.unsure |= {"r1:1", "r2:2", "r3:3"} - set(self.hand)
            return False
        finally:
            self.cut = None

    def edit(self, change, indent):
        """The owner edits the file with an editor of their own."""
        settings = read(self.engine.config)
        change(settings)
        with open(self.engine.config, "w") as stream:
            json.dump(settings, stream, indent=indent)

    def hand_add(self, entry, indent):
        if entry not in read(self.engine.config).get("insecure-registries", []):
            self.edit(lambda settings: settings.setdefault("insecure-registries", []).append(entry), indent)
            self.hand.append(entry)

    def hand_remove(self, entry, indent):
        def change(settings):
            if entry in settings.get("insecure-registries", []):
                settings["insecure-registries"].remove(entry)
        self.edit(change, indent)
        self.unsure |= {entry} - set(self.hand)
        self.hand = [one for one in self.hand if one != entry]

    def hand_label(self, number, indent):
        self.edit(lambda settings: settings.update({"labels": ["n=%d" % number]}), indent)


def play(start, events):
    """Runs a history and says what is wrong at its end, or None."""
    world = World(start)
    problem_reached, quick = problem.reached, (docker.PATIENCE, files.check_writable, docker.Run.manifest)
    for module in (docker, files, ledger):
        if hasattr(module, "reached"):
            module.reached = world.step
    docker.PATIENCE = 0.2
    files.check_writable = lambda *_: None
    docker.Run.manifest = lambda *_: "manifest unknown"
    home = ledger.Record.__init__.__defaults__
    ledger.Record.__init__.__defaults__ = (ledger.HOME,)
    try:
        return judge(world, events)
    finally:
        ledger.Record.__init__.__defaults__ = home
        docker.PATIENCE, files.check_writable, docker.Run.manifest = quick
        for module in (docker, files, ledger):
            if hasattr(module, "reached"):
                module.reached = problem_reached
        shutil.rmtree(world.folder)


def judge(world, events):
    labels = read(world.engine.config).get("labels")
    for event in events:
        kind, rest = event[0], event[1:]
        if kind == "apply":
            owner, entries, cut = rest
            done = world.run(owner, entries, cut)
            if done and not set(entries) <= world.engine.trusted:
                return "%s: applied %s, the engine has %s" % (event, entries, sorted(world.engine.trusted))
            before = world.engine.reloads
            if done and (not world.run(owner, entries) or world.engine.reloads != before):
                return "%s: a second apply reloads" % (event,)
        elif kind == "remove":
            world.run(rest[0], [], rest[1])
        elif kind == "label":
            world.hand_label(*rest)
            labels = read(world.engine.config)["labels"]
        else:
            (world.hand_add if kind == "add" else world.hand_remove)(*rest)
        now = read(world.engine.config)
        lost = set(world.hand) - world.unsure - set(now.get("insecure-registries", []))
        if lost or now.get("labels") != labels:
            return "%s: lost of what the owner wrote: %s, labels %s" % (event, sorted(lost), now.get("labels"))
    for owner in "abc":
        world.run(owner, [])
    left = read(world.engine.config).get("insecure-registries", [])
    if set(left) - world.unsure != set(world.hand) - world.unsure:
        return "at the end the file has %s, the owner's are %s" % (left, world.hand)
    if os.listdir(ledger.HOME):
        return "the ledger stays: %s" % os.listdir(ledger.HOME)
    stray = [name for name in os.listdir(world.folder) if name not in ("daemon.json", "ledger")]
    return "stray files: %s" % stray if stray else None


def restored(start, runs):
    """Applies and removes without hand edits; the file's bytes at the end, None when it is missing."""
    world = World(start)
    quick = (files.check_writable, docker.Run.manifest)
    files.check_writable, docker.Run.manifest = lambda *_: None, lambda *_: "manifest unknown"
    home = ledger.Record.__init__.__defaults__
    ledger.Record.__init__.__defaults__ = (ledger.HOME,)
    try:
        for owner, entries in runs:
            world.run(owner, entries)
        for owner in "abc":
            world.run(owner, [])
        data = files.read(world.engine.config)
        return None if data is None else data.decode("utf-8")
    finally:
        ledger.Record.__init__.__defaults__ = home
        files.check_writable, docker.Run.manifest = quick
        shutil.rmtree(world.folder)
