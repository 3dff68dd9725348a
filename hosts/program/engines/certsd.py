"""containerd's trust in registries: one hosts.toml for each, read at every pull, so nothing is reloaded.

Used for microk8s and for containerd on its own. A hosts.toml switches off the *.crt files of its directory, so one
that somebody else wrote is never changed: either it says what is wanted already, or the run stops. Where one owner wants
a registry insecure, it is, and several CAs of one registry are trusted side by side, so that owners may change their
settings in any order.
"""
import copy
import json
import os

import files
import ledger
import nested
import tomltext
import trustable
from nodeerror import NodeError

NOTE = "# Written by pi-runners (RegistryTrust); it goes with the last stack that wants it.\n"


class Place:
    """A folder in which a containerd looks for hosts.toml."""

    def __init__(self, engine, unit, config, version):
        self.engine = engine
        self.unit = unit
        self.config = config
        self.version = version


def reconcile(place, want, context):
    """Writes what the owners want, removes what nobody wants any more, leaves alone what others wrote."""
    return Run(place, want, context).reconcile()


class Run:
    """One run at one folder."""

    def __init__(self, place, want, context):
        self.place = place
        self.context = context
        self.want = trustable.entries(want, place.engine, context)
        self.record = ledger.Record(trustable.record_name(place.engine, place.config), place.config)
        self.certs = {}
        self.claims = {}

    def reconcile(self):
        contents = self.contents()
        write = {path: data for path, data in sorted(contents.items()) if files.read(path) != data}
        drop = [path for path in sorted(self.record.data["files"]) if path not in contents]
        for path in list(write) + drop:
            self.check_untouched(path)
        if self.context.dry and not self.context.strict:
            differs = ["+ %s" % path for path in write] + ["- %s" % path for path in drop]
            return self.report("files" if differs else "none", differs)  # what a run would do
        for path in ([self.record.file] if write or drop else []) + list(write) + drop:
            files.check_writable(path, "preflight")
        if self.context.dry:
            return self.report("none")
        self.write(write)
        for path in drop:
            self.record.data["files"].pop(path)
            files.delete(files.look(path, "remove"), "remove")
        for path, data in contents.items():
            self.record.data["files"][path] = {"sha256": ledger.digest(data)}
        self.claim(self.claims[self.context.owner])
        if drop:
            self.record.tidy()
        self.record.save()
        return self.report("files" if write or drop else "none")

    # What there should be.

    def contents(self):
        """Path to bytes of every file of ours that any owner wants. What an owner wants is known by the files that it
        claims: a hosts.toml, and the CA beside it unless the registry is insecure."""
        self.claims = {name: set(owner["files"]) for name, owner in self.record.data["owners"].items()}
        self.claims[self.context.owner] = set()
        for entry in self.want:
            folder = os.path.join(self.place.config, entry["address"])
            paths = {os.path.join(folder, "hosts.toml")}
            if entry.get("ca"):
                path = trustable.ca_path(folder, entry["ca"])
                self.certs[path] = entry["ca"].encode("utf-8")
                paths.add(path)
            self.claims[self.context.owner] |= paths
        contents = {}
        for toml in sorted({path for paths in self.claims.values() for path in paths if path.endswith("/hosts.toml")}):
            contents.update(self.contents_for(toml))
        return contents

    def contents_for(self, toml):
        """The files of one registry; none where somebody else's hosts.toml says enough."""
        folder = os.path.dirname(toml)
        address = os.path.basename(folder)
        beside = {owner: sorted(path for path in paths if os.path.dirname(path) == folder and path != toml)
                  for owner, paths in self.claims.items() if toml in paths}
        insecure = [owner for owner in sorted(beside) if not beside[owner]]
        cas = sorted({path for paths in beside.values() for path in paths})
        found = {path: self.certs.get(path) or files.read(path) for path in cas}
        found = {path: data for path, data in found.items() if data is not None}
        # A file that is not there, as somebody has deleted another owner's, would end every pull.
        text = toml_insecure(address) if insecure else toml_ca(address, sorted(found) or cas)
        mine = self.context.owner in beside
        if insecure and mine and self.context.owner not in insecure:
            trustable.warn_insecure(address, self.place.engine, insecure, self.context)
        there = files.read(toml)
        if there is None or toml in self.record.data["files"] or there == text.encode("utf-8"):
            return dict(found, **{toml: text.encode("utf-8")})
        theirs = self.theirs(toml, there)
        if mine and not nested.covers(theirs, tomltext.read(text), self.same):
            raise NodeError("read", "%s was written by somebody else and says something else" % toml,
                            "Put this into it, or remove it: %s" % " ; ".join(text.splitlines()[1:]))
        named = nested.texts(theirs)
        return {path: data for path, data in found.items() if path in named}

    @staticmethod
    def theirs(path, data):
        try:
            return tomltext.read(data.decode("utf-8"))
        except ValueError as error:
            raise NodeError("read", "%s was written by somebody else and cannot be understood: %s" % (path, error),
                            "Write it plainly, or remove it; then run again.")

    def same(self, there, ours):
        return trustable.same_ca(there, ours, self.certs)

    def check_untouched(self, path):
        """A file of ours that was changed by hand: overwriting it would lose the edit, leaving it would trust on."""
        note = self.record.data["files"].get(path)
        there = files.read(path)
        if there is None or (note and ledger.digest(there) in (note["sha256"], note.get("previous"))):
            return
        if note or path in self.certs:
            raise trustable.changed_by_hand(path)

    # The change.

    def write(self, write):
        """Ledger first, then files; all back to what it was where one fails."""
        record, saved, written = self.record, copy.deepcopy(self.record.data), []
        if not write:
            return
        for path, data in write.items():
            record.will_make(os.path.dirname(path))
            note = record.data["files"].setdefault(path, {})
            note["previous"] = note.get("sha256")  # what stands there if the power goes before it is written
            note["sha256"] = ledger.digest(data)
        self.claim(set(record.owner(self.context.owner)["files"]) | self.claims[self.context.owner])
        record.save()
        try:
            for path, data in write.items():
                written.append((path, put(path, data)))
        except (NodeError, files.MovedError, OSError) as error:
            for path, before in written:
                give_back(path, before)
            record.tidy()
            record.data = saved
            record.save()
            if isinstance(error, NodeError):
                raise
            raise NodeError("write", str(error) or "%s changed while it was edited" % self.place.config, "Run again.")

    def claim(self, paths):
        self.record.claim(self.context.owner, [], paths)

    def report(self, how, differs=None):
        done = {"engine": self.place.engine, "config": self.place.config, "how": how, "version": self.place.version,
                "trusted": sorted(entry["address"] for entry in self.want)}
        if self.place.unit is not None:
            done["unit"] = self.place.unit.name
        return done if differs is None else dict(done, differs=differs)


def toml_insecure(address):
    """As Docker means insecure: HTTPS without verification, then HTTP."""
    return NOTE + (
        'server = "http://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n\n'
        '[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' % (address, address, address))


def toml_ca(address, paths):
    named = json.dumps(paths[0] if len(paths) == 1 else paths)
    return NOTE + ('server = "https://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n  ca = %s\n'
                   % (address, address, named))


def put(path, data):
    """Writes one file; what was there before."""
    directory = os.path.dirname(path)
    files.make_directories(files.missing_directories(directory))
    files.sweep(directory)
    seen = files.look(path, "write")
    files.replace(seen, data, "write")
    return seen.data


def give_back(path, before):
    seen = files.look(path, "put back")
    if before is None:
        files.delete(seen, "put back")
    else:
        files.replace(seen, before, "put back")
