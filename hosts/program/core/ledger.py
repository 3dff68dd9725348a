"""What this tool wrote on this host, for whom, and what was there before: so that it can take back just that.

One record for each file that belongs to others too. An owner is one node entry of one component of one stack.
Records live in /var/lib/pi-runners/trust, and go with the last owner.
"""
import base64
import fcntl
import hashlib
import json
import os
import stat
import time

import files
from nodeerror import NodeError, reached

HOME = "/var/lib/pi-runners/trust"
WAIT = 60


def digest(data):
    return None if data is None else hashlib.sha256(data).hexdigest()


class Lock:
    """One run at a time on a host, by flock on a file that goes with the ledger."""

    def __init__(self, home=HOME, wait=WAIT):
        self.path = os.path.join(home, "lock")
        self.home = home
        self.wait = wait
        self.descriptor = None

    def __enter__(self):
        give_up = time.monotonic() + self.wait
        while True:
            try:
                files.check_writable(self.path, "preflight")
                os.makedirs(self.home, 0o700, exist_ok=True)
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if self.take(descriptor):
                    self.descriptor = descriptor
                    return self
                os.close(descriptor)
            except FileNotFoundError:
                pass  # the run before us has just removed the empty ledger
            if time.monotonic() > give_up:
                raise NodeError("lock", "another run has held %s for %d s" % (self.path, self.wait),
                                "Wait for it to end, then run again; `fuser %s` names it." % self.path)
            time.sleep(0.05)

    def take(self, descriptor):
        """True when the lock is ours and its file is still the one that others would lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            return False

    def __exit__(self, *_):
        """Leaves nothing behind when no record is left."""
        if records(self.home) == []:
            os.unlink(self.path)
            files.remove_directories([os.path.dirname(self.home), self.home])
        os.close(self.descriptor)


def records(home=HOME):
    """Names of all records."""
    try:
        return sorted(name[:-5] for name in os.listdir(home) if name.endswith(".json") and not name.startswith("."))
    except OSError:
        return []


def paths(kind, home=HOME):
    """Files that records of a kind speak of."""
    names = [os.path.join(home, name + ".json") for name in records(home) if name.startswith(kind + "-")]
    return [understood(path, files.read(path), SHAPE)["path"] for path in names]


def siblings(record):
    """The other records of the same kind of engine: those of files that it reads, or was told to read before."""
    home, kind = os.path.dirname(record.file), record.name.rsplit("-", 1)[0] + "-"
    return [Record(name, "", home) for name in records(home) if name.startswith(kind) and name != record.name]


def strings(value):
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def texts(value):
    """A dictionary of dictionaries, whose keys JSON has made strings."""
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def flag(value):
    return isinstance(value, bool)


# What each value of a record has to be. More keys than these are kept as they are.
SHAPE = {
    "version": lambda value: value == 1,
    "path": lambda value: isinstance(value, str),
    "owners": lambda value: texts(value) and all(strings(one.get("entries")) and strings(one.get("files"))
                                                 for one in value.values()),
    "added": strings,
    "keyAdded": flag,
    "fileAdded": flag,
    "before": lambda value: value is None or isinstance(value, dict) and strings([value.get("sha256"), value.get("base64")]),
    "written": lambda value: isinstance(value, list) and all(item is None or isinstance(item, str) for item in value),
    "files": texts,
    "made": strings,
}


def understood(path, text, shape, docs="docs/registry-trust.md"):
    """A ledger's file as what it has to be; one that a bad card or a hand has changed ends the run before it acts on it."""
    try:
        data = json.loads(text.decode("utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it is no object")
        for key, fits in shape.items():
            if not fits(data[key]):
                raise ValueError("its %s is not what this version writes" % key)
        return data
    except KeyError as error:
        reason = "it has no %s" % error
    except (ValueError, RecursionError) as error:
        reason = str(error)
    raise NodeError("ledger", "%s cannot be understood (%s)" % (path, reason),
                    "Use the version of pi-runners that wrote it, or undo by hand what it names (%s) and remove it; then run "
                    "again." % docs)


class Record:
    """The ledger of one file: owners, entries added, files made, and the file as it was before. Without a path it is that
    of whatever file it speaks of."""

    def __init__(self, name, path, home=HOME):
        self.name = name
        self.file = os.path.join(home, name + ".json")
        self.stored = None
        self.data = {"version": 1, "path": path, "owners": {}, "added": [], "keyAdded": False, "fileAdded": False,
                     "before": None, "written": [], "files": {}, "made": []}
        self.load()

    def load(self):
        text = files.read(self.file)
        if text is None:
            return
        data = understood(self.file, text, SHAPE)
        if self.data["path"] and data["path"] != self.data["path"]:  # without one, the ledger itself says which
            raise NodeError("ledger", "%s speaks of %s, not of %s" % (self.file, data["path"], self.data["path"]),
                            "See what has happened to it, and undo by hand what it names (docs/registry-trust.md).")
        self.data.update(data)
        self.stored = text

    def owner(self, owner):
        """What an owner has claimed."""
        return self.data["owners"].get(owner, {"entries": [], "files": []})

    def claimed(self, kind):
        """Everything of a kind that any owner claims."""
        return {item for owner in self.data["owners"].values() for item in owner[kind]}

    def claim(self, owner, entries, paths):
        """Sets what an owner claims; nothing at all removes it."""
        if entries or paths:
            self.data["owners"][owner] = {"entries": sorted(entries), "files": sorted(paths)}
        else:
            self.data["owners"].pop(owner, None)

    def remember(self, seen):
        """Keeps the file as it was before this tool first wrote to it, for as long as nobody else edits it."""
        data, before = self.data, self.data["before"]
        now = digest(seen.data)
        if now in data["written"] or (before is not None and now == before["sha256"]):
            return
        untouched = not (data["added"] or data["keyAdded"] or data["fileAdded"])
        data["before"] = picture(seen) if untouched and seen.data is not None else None
        data["written"] = []

    def wrote(self, data):
        """Notes what is about to be written, so that it is known for this tool's own afterwards."""
        if digest(data) not in self.data["written"]:
            self.data["written"] = self.data["written"][-3:] + [digest(data)]

    def original(self, seen):
        """The bytes from before, if nobody but this tool has written to the file since, and if they are still those."""
        before = self.data["before"]
        if before is None or digest(seen.data) not in self.data["written"]:
            return None
        try:
            data = base64.b64decode(before["base64"], validate=True)
        except ValueError:
            return None
        return data if digest(data) == before["sha256"] else None

    def will_make(self, directory):
        """Notes directories that have to be made; the caller saves before making them."""
        missing = files.missing_directories(directory)
        self.data["made"] = sorted(set(self.data["made"]) | set(missing))

    def tidy(self):
        """Removes directories that this tool made, as soon as they are empty, innermost first."""
        for directory in reversed(sorted(self.data["made"])):
            files.sweep(directory)
            files.remove_directories([directory])
        self.data["made"] = [directory for directory in self.data["made"] if os.path.isdir(directory)]

    def is_empty(self):
        return not self.data["owners"] and not self.data["added"] and not self.data["files"]

    def save(self):
        """Writes the record so that a power cut leaves the old or the new one; an unchanged one is not written."""
        if self.is_empty():
            if self.stored is not None:
                os.unlink(self.file)
                files.sync_directory(os.path.dirname(self.file))
                self.stored = None
            return
        text = (json.dumps(self.data, indent=1, sort_keys=True) + "\n").encode("utf-8")
        if text == self.stored:
            return
        store(self.file, self.stored, text)
        self.stored = text
        reached("ledger")


def store(path, stored, text):
    """Writes a file of the ledger in place of what it held, so that a power cut leaves the one or the other."""
    files.replace(files.Seen(path, path, stored, os.stat(path) if stored is not None else None), text, "ledger", 0o600)


def picture(seen):
    """A file in a form that JSON can hold."""
    return {"sha256": digest(seen.data), "base64": base64.b64encode(seen.data).decode("ascii"),
            "mode": stat.S_IMODE(seen.status.st_mode), "uid": seen.status.st_uid, "gid": seen.status.st_gid}


DESIRED = {"registries": lambda value: isinstance(value, list) and all(
    isinstance(one, dict) and isinstance(one.get("address"), str) for one in value)}


class Desired:
    """What an owner wanted when its last run succeeded: the way back for a run that fails at its second engine."""

    def __init__(self, owner, home=HOME):
        name = "holder-" + hashlib.sha256(owner.encode("utf-8")).hexdigest()[:12]
        self.owner = owner
        self.file = os.path.join(home, name + ".json")
        self.stored = files.read(self.file)
        self.registries = []
        if self.stored is not None:
            try:
                self.registries = understood(self.file, self.stored, DESIRED)["registries"]
            except NodeError:
                pass  # it is only the way back of a run that fails, and no reason to stop one that works

    def starts(self, want):
        """Makes sure that there is room for it before anything is changed."""
        if want and self.stored is None:
            files.check_writable(self.file, "ledger")

    def becomes(self, want):
        """Writes it down; nothing at all is written where nothing is new."""
        if not want:
            if self.stored is not None:
                os.unlink(self.file)
                self.stored = None
            return
        text = (json.dumps({"holder": self.owner, "registries": want}, sort_keys=True) + "\n").encode("utf-8")
        if text != self.stored:
            store(self.file, self.stored, text)
            self.stored = text
