"""Plays histories of applies, removes, hand edits and power cuts against docker.py, with a stand-in for the engine.

The stand-in is not dockerd: it is dockerd's documented way with this one setting (acts on SIGHUP, only on a key that is
there, never on a file or an entry that it cannot read), in memory. What dockerd really does is proven on nodes, in
test/host/trust.
"""
import json
import os
import shutil
import tempfile
from collections import Counter

import docker
import docker_apply
import docker_entries as entries
import engine
import files
import ledger
import nodeerror

KEY = entries.KEY
KNOWN = {KEY, "labels", "debug"}


class PowerCut(BaseException):
    """Ends a run at a step, as if the power had gone."""


class StandIn(engine.Engine):
    """An engine in memory."""

    def __init__(self, folder, version):
        self.unit = type("Unit", (), {"name": "docker.service", "active": True, "pid": 1})()
        self.snap = False
        self.words = ["dockerd"]
        self.default_config = True
        self.config = os.path.join(folder, "etc", "daemon.json")
        self.certs = os.path.join(folder, "certs.d")
        self.version = version
        self.reloads = 0
        self.listed([])
        if not self.forgets():
            self.trusted = {entries.LOOPBACK[0]}

    def forgets(self):
        return engine.version({"ServerVersion": self.version}) >= (29, 10, 0)

    def listed(self, there):
        default = [] if self.forgets() else entries.LOOPBACK[:1]
        self.trusted = entries.names(there + default)

    def info(self, seconds=0):
        return {"ServerVersion": self.version, "RegistryConfig": {
            "IndexConfigs": {one: {"Secure": False} for one in self.trusted if "/" not in one},
            "InsecureRegistryCIDRs": [one for one in self.trusted if "/" in one]}}

    def reload(self):
        self.reloads += 1
        data = files.read(self.config)
        if data is None or self.refusal(data.decode("utf-8")):
            return
        there = read(self.config).get(KEY)
        if there is not None and all(map(entries.accepted, there)):
            self.listed(there)

    def refusal(self, text):
        modern = engine.version({"ServerVersion": self.version}) >= (23, 0, 0)
        if not text.strip():
            return "" if modern else "EOF"
        unknown = set(json.loads(text)) - KNOWN
        return "unknown: %s" % unknown if unknown else ""

    def reaches(self, goal, seconds=0):
        return goal.reached(engine.insecure(self.info()))

    def manifest(self, address):
        return "manifest unknown"

    def same_process(self):
        return True

    alive = same_process


def read(path):
    text = (files.read(path) or b"").decode("utf-8")
    return json.loads(text) if text.strip() else {}


class World:
    """A host, what its owner did by hand, and what the stacks were told."""

    def __init__(self, start, version):
        self.folder = tempfile.mkdtemp()
        self.engine = StandIn(self.folder, version)
        self.cut = None
        self.steps = 0
        self.wrong = None
        ledger.HOME = os.path.join(self.folder, "ledger")
        self.hand = []
        # All that the owner ever had in the list: the engine may still have it, as hand edits tell it nothing.
        self.ever = []
        # What a run that was cut off had been about to add or to remove, and what of ours the owner took out by hand.
        # Where the owner then adds the same by hand, nobody can tell whose it is; docs/registry-trust.md says so.
        self.unsure = set()
        self.key_by_hand = False
        if start is not None:
            os.makedirs(os.path.dirname(self.engine.config))
            with open(self.engine.config, "w", newline="") as stream:
                stream.write(start)
            self.hand = list(self.there())
            self.ever = list(self.hand)
            self.key_by_hand = KEY in read(self.engine.config)
            if start.strip():
                self.engine.reload()

    def there(self):
        return read(self.engine.config).get(KEY) or []

    def step(self, _):
        self.steps += 1
        if self.cut is not None and self.steps > self.cut:
            raise PowerCut()

    def run(self, owner, addresses, cut=None):
        """One run; "done", "cut" or "refused"."""
        self.cut, self.steps = cut, 0
        before, trusted = files.read(self.engine.config), self.engine.trusted
        context = nodeerror.Context("n", owner)
        want = [{"address": address, "insecure": True} for address in addresses]
        try:
            os.makedirs(ledger.HOME, exist_ok=True)
            docker.reconcile(self.engine, want, context)
            return "done"
        except PowerCut:
            self.unsure |= set(ALL) - set(self.hand)
            return "cut"
        except nodeerror.NodeError as refused:
            fair = "null" in str(refused) or addresses and "no host[:port]" in str(refused)
            if not fair or files.read(self.engine.config) != before or self.engine.trusted != trusted:
                self.wrong = "refused, or not before all was touched: %s" % refused
            return "refused"
        finally:
            self.cut = None
            now = files.read(self.engine.config)
            if now != before and now is not None and self.engine.refusal(now.decode("utf-8")):
                self.wrong = "left what the engine cannot read: %r" % now

    def edit(self, change, indent):
        """The owner edits the file with an editor of their own."""
        settings = read(self.engine.config)
        change(settings)
        os.makedirs(os.path.dirname(self.engine.config), exist_ok=True)
        with open(self.engine.config, "w") as stream:
            json.dump(settings, stream, indent=indent)

    def hand_add(self, entry, indent):
        """Adds an entry, be it there or not."""
        self.key_by_hand = self.key_by_hand or KEY not in read(self.engine.config)
        self.edit(lambda settings: settings.update({KEY: (settings.get(KEY) or []) + [entry]}), indent)
        self.hand.append(entry)
        self.ever.append(entry)

    def hand_take(self, entry, indent):
        if entry not in self.there():
            return
        self.edit(lambda settings: settings[KEY].remove(entry), indent)
        if entry in self.hand:
            self.hand.remove(entry)
        else:
            self.unsure.add(entry)

    def hand_delete(self):
        if os.path.exists(self.engine.config):
            os.unlink(self.engine.config)
        self.unsure |= set(ALL) - set(self.hand)
        self.hand, self.key_by_hand = [], False

    def hand_null(self, indent):
        self.unsure |= set(ALL) - set(self.hand)
        self.edit(lambda settings: settings.update({KEY: None}), indent)
        self.hand, self.key_by_hand = [], True

    def hand_label(self, number, indent):
        self.edit(lambda settings: settings.update({"labels": ["n=%d" % number]}), indent)


ALL = ["r1:1", "r2:2", "r3:3", "10.1.0.0/16", "10.1.2.3/16", "127.0.0.0/8", "::1/128"]


def within(start, version, work):
    """Does something in a world of its own."""
    world = World(start, version)
    writable, reached, home = files.check_writable, nodeerror.reached, ledger.Record.__init__.__defaults__
    for module in (docker_apply, files, ledger):
        module.reached = world.step
    files.check_writable = lambda *_: None
    ledger.Record.__init__.__defaults__ = (ledger.HOME,)
    try:
        return work(world)
    finally:
        ledger.Record.__init__.__defaults__ = home
        files.check_writable = writable
        for module in (docker_apply, files, ledger):
            module.reached = reached
        shutil.rmtree(world.folder)


def play(start, version, events):
    """Runs a history and says what is wrong at its end, or None."""
    return within(start, version, lambda world: judge(world, events))


def judge(world, events):
    labels = read(world.engine.config).get("labels")
    for event in events:
        found = happen(world, event)
        if event[0] in ("label", "delete"):
            labels = read(world.engine.config).get("labels")
        now = read(world.engine.config)
        lost = Counter(world.hand) - Counter(now.get(KEY) or [])
        lost = [entry for entry in lost if entry not in world.unsure]
        if lost or now.get("labels") != labels:
            found = "lost of what the owner wrote: %s, labels %s" % (lost, now.get("labels"))
        if found or world.wrong:
            return "%s: %s" % (event, found or world.wrong)
    return at_the_end(world)


def happen(world, event):
    """Brings an event about; what is wrong with what a run did, or None."""
    kind, rest = event[0], event[1:]
    if kind == "remove":
        world.run(rest[0], [], rest[1])
    elif kind != "apply":
        getattr(world, "hand_" + kind)(*rest)
    elif world.run(*rest) == "done":
        owner, addresses, _ = rest
        missing = entries.names(addresses) - world.engine.trusted
        if missing:
            return "applied %s, the engine has %s" % (addresses, sorted(world.engine.trusted))
        if not world.key_by_hand and entries.LOOPBACK[0] not in world.engine.trusted:
            return "the engine does not trust its own loopback any more"
        before = world.engine.reloads
        if world.run(owner, addresses) != "done" or world.engine.reloads != before:
            return "a second apply reloads"
    return None


def at_the_end(world):
    """All stacks go; then nothing but the owner's is there."""
    if read(world.engine.config).get(KEY, []) is None:
        world.edit(lambda settings: settings.pop(KEY), None)
        world.key_by_hand = False
    for owner in "abc":
        world.run(owner, [])
    if world.wrong:
        return "at the end: %s" % world.wrong
    left = Counter(world.there())
    other = [entry for entry in (left - Counter(world.hand)) + (Counter(world.hand) - left) if entry not in world.unsure]
    if other:
        return "at the end the file has %s, the owner's are %s" % (sorted(left.elements()), world.hand)
    trusted = world.engine.trusted - set(entries.LOOPBACK) - entries.names(world.ever) - entries.names(world.unsure)
    if trusted:
        return "at the end the engine trusts %s" % sorted(trusted)
    if os.listdir(ledger.HOME) if os.path.isdir(ledger.HOME) else []:
        return "the ledger stays: %s" % os.listdir(ledger.HOME)
    folder = os.path.dirname(world.engine.config)
    stray = [name for name in os.listdir(folder) if name != "daemon.json"] if os.path.isdir(folder) else []
    return "stray files: %s" % stray if stray else None


def restored(start, version, runs):
    """Applies and removes without hand edits; the file's bytes at the end, None when it is missing."""
    return within(start, version, lambda world: restored_in(world, runs))


def restored_in(world, runs):
    for owner, addresses in runs:
        world.run(owner, addresses)
    for owner in "abc":
        world.run(owner, [])
    if world.wrong:
        raise ValueError(world.wrong)
    data = files.read(world.engine.config)
    return None if data is None else data.decode("utf-8")
