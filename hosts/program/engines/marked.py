"""Settings files of services that read them only when they start: our part stands in them between marks.

What each owner wants is kept in the ledger, as one marked part serves all: where one owner wants a registry insecure,
it is, and several CAs of one registry are trusted side by side, so that owners may change their settings in any order.
How a file is read and written is its dialect's business: k3s.py, buildkit.py.
"""
import copy
import json
import os
import time

import files
import host
import ledger
import nested
import trustable
from nodeerror import NodeError, reached


class Dialect:
    """One kind of file. Each names `engine`, `after` (what a restart does to containers), and says how a text is read
    (`read`), how our part goes (`without`) and comes (`added`), and what it is: `ours` as settings, section by section and
    address by address, `lines` as text. All raise ValueError for a text that they do not edit."""

    engine = ""
    after = ""

    def __init__(self, unit, version, config):
        self.unit = unit
        self.version = version
        self.config = config

    def refusal(self, document):
        """Where the service would not start with these settings; "" where nothing is known against them."""
        return ""

    @property
    def active(self):
        return self.unit is not None and self.unit.active

    def ca_path(self, pem):
        return trustable.ca_path(os.path.dirname(self.config), pem)


def reconcile(dialect, want, context):
    """Makes the file say what all owners want, and has the service read it."""
    for attempt in range(5):
        try:
            return Run(dialect, want, context).reconcile()
        except files.MovedError:
            time.sleep(0.2 * (attempt + 1))
    raise NodeError("write", "%s keeps changing while it is edited" % dialect.config, "Find out who writes it; run again.")


class Run:
    """One attempt at one file."""

    def __init__(self, dialect, want, context):
        self.dialect = dialect
        self.context = context
        self.want = trustable.entries(want, dialect.engine, context)
        self.record = ledger.Record(trustable.record_name(dialect.engine, dialect.config), dialect.config)
        self.seen = files.look(dialect.config, "read")
        self.text = ""
        self.desired, self.ours = {}, {}

    def reconcile(self):
        dialect, context = self.dialect, self.context
        self.desired = self.all_desired()
        final = self.planned()
        add, drop = self.planned_authorities()
        pending = self.record.data.get("pending")
        stale = pending is not None and dialect.active and pending == process(dialect.unit)
        changed = final != self.text
        if context.dry and not context.strict:
            restart = " (needs a restart)" if dialect.active else ""
            differs = ["~ %s%s" % (dialect.config, restart)] if changed or stale else []
            differs += ["+ %s" % path for path in add] + ["- %s" % path for path in drop]
            # What a run would do.
            how = "restart" if dialect.active and (changed or stale or add) else "files" if differs else "none"
            return self.report(how, differs)
        self.check(final, stale, add, drop)
        if context.dry:
            return self.report("none")
        how = self.change(final, changed, add) if changed or stale or add else "none"
        self.settle(drop)
        return self.report(how)

    # What there is and what should be.

    def all_desired(self):
        """What all owners want, and a word on whose setting stands in the way of ours."""
        owners = dict(self.record.data["owners"])
        owners[self.context.owner] = {"entries": self.items()}
        desired = desired_of(owners)
        for entry in self.want:
            others = [owner for owner in desired[entry["address"]]["insecure"] if owner != self.context.owner]
            if others and not entry.get("insecure"):
                trustable.warn_insecure(entry["address"], self.dialect.engine, others, self.context)
        return desired

    def planned(self):
        """The text to be, read again, whole: theirs as it was, ours as it should be."""
        dialect = self.dialect
        try:
            self.text = (self.seen.data or b"").decode("utf-8")
            bare, blocks = dialect.without(self.text)
            theirs = dialect.read(bare)
            there = [dialect.read_block(block) for block in blocks]
            self.check_untouched(blocks, there, theirs)
            if blocks and settings(dialect.read(self.text)) != settings(merged(theirs, there)):
                raise ValueError("what stands below our part belongs to it, as it is written")
            self.ours = self.without_theirs(theirs)
            if settings(merged({}, there)) == settings(self.ours):
                return self.text
            final = dialect.added(bare, self.ours) if any(self.ours.values()) else self.original(bare)
            if settings(dialect.read(final)) != settings(merged(theirs, [self.ours])):
                raise ValueError("our part would not read as it should")
        except ValueError as error:
            raise NodeError("read", "%s cannot be edited safely: %s" % (dialect.config, error),
                            "Write that part plainly, or move it; then run again. See docs/registry-trust.md.")
        return final

    def original(self, bare):
        """The bytes of before, if nobody but this tool has written since; else the text without our part."""
        original = self.record.original(self.seen)
        return bare if original is None else original.decode("utf-8")

    def check_untouched(self, blocks, there, theirs):
        """Between the marks nobody else writes: it would be lost, or taken for ours."""
        known = self.record.data.get("blocks") or []
        noted = all(digest(block) in known for _, block in blocks)
        if not (noted or self.record.stored is None or self.as_claimed(blocks, there, theirs)):
            raise ValueError("what stands between the marks `# begin pi-runners` and `# end pi-runners` was changed by hand; "
                             "move what is yours below the second one, and put the rest back")

    def as_claimed(self, blocks, there, theirs):
        """Is it what the ledger's owners want? The program of another stack may be of a version that did not note what it
        wrote, today as well."""
        claimed = self.dialect.ours(desired_of(self.record.data["owners"]))
        by_hand = {name for section in claimed if isinstance(theirs.get(section), dict) for name in theirs[section]}
        for (_, block), part in zip(blocks, there):
            lines = []
            for section, entries in part.items():
                wanted = claimed.get(section, {})
                if not isinstance(entries, dict) or not set(wanted) - by_hand <= set(entries) <= set(wanted):
                    return False
                lines += [line for name in sorted(entries) for line in self.dialect.lines(section, name, wanted[name])]
            if [line.strip() for line in block.splitlines()] != [line.strip() for line in lines]:
                return False
        return True

    def without_theirs(self, theirs):
        """Our part, less what the file says by hand already; what it says otherwise stops the run."""
        ours = self.dialect.ours(self.desired)
        own = {entry["address"] for entry in self.want}
        for section, entries in ours.items():
            there = theirs.get(section)
            for address in [name for name in entries if isinstance(there, dict) and name in there]:
                value = entries.pop(address)
                if address in own and not nested.covers(there[address], value, self.same):
                    raise NodeError("read", "%s names %s by hand under %s, and says something else than the stack wants"
                                    % (self.dialect.config, address, section),
                                    "Put this there, or take it out: %s"
                                    % " ; ".join(self.dialect.lines(section, address, value)))
        return ours

    def same(self, there, ours):
        return trustable.same_ca(there, ours, self.authorities())

    def authorities(self):
        """Path and content of every CA file that our part may name."""
        return {self.dialect.ca_path(pem): pem.encode("utf-8") for pem in texts_of(self.desired)}

    def planned_authorities(self):
        """CA files to write, and those of ours that nobody wants any more."""
        named = set(nested.texts(self.ours))
        needed = {path: data for path, data in self.authorities().items() if path in named}
        folder = os.path.dirname(self.dialect.config)
        there = [os.path.join(folder, name) for name in sorted(os.listdir(folder) if os.path.isdir(folder) else [])
                 if name.startswith("pi-runners-") and name.endswith(".crt")]
        for path in there:
            if self.dialect.ca_path((files.read(path) or b"").decode("utf-8", "replace")) != path:
                raise trustable.changed_by_hand(path)
        return ({path: data for path, data in sorted(needed.items()) if path not in there},
                [path for path in there if path not in needed and path not in self.needed_beside()])

    def needed_beside(self):
        """CA files that another file of the same folder may name: the service was told to read that one since."""
        beside = [one.data for one in ledger.siblings(self.record)]
        return {self.dialect.ca_path(pem) for data in beside for pem in texts_of(desired_of(data["owners"]))
                if os.path.dirname(data["path"]) == os.path.dirname(self.dialect.config)}

    # Before anything is touched.

    def check(self, final, stale, add, drop):
        dialect, changed = self.dialect, final != self.text
        wrong = dialect.refusal(dialect.read(final)) if (changed or stale) and dialect.active else ""
        if wrong:
            raise NodeError("preflight", "%s would not start again: %s of %s has another shape than it takes"
                            % (dialect.unit.name, wrong, dialect.config), "Correct it, then run again.")
        if (changed or stale) and dialect.active and not dialect.unit.loaded:
            raise NodeError("preflight", "%s is masked or removed, but still runs, and would go on with the old settings"
                            % dialect.unit.name, "Stop it, or `systemctl unmask %s`; then run again." % dialect.unit.name)
        if (changed or stale) and dialect.active and not self.context.allow_restart:
            raise NodeError("preflight", "%s reads %s only when it starts" % (dialect.unit.name, dialect.config),
                            "Set allowRestart: true; %s." % dialect.after)
        if changed or add or drop:
            files.check_writable(self.record.file, "preflight")
        for path in ([self.seen.real] if changed else []) + list(add) + drop:
            files.check_writable(path, "preflight")

    # The change.

    def change(self, final, changed, add):
        """Ledger, CA files, settings, restart; all back to what it was where one fails."""
        record, saved, written = self.record, copy.deepcopy(self.record.data), []
        self.note(final, changed, add)
        folder = os.path.dirname(self.seen.real)
        try:
            if final.strip() or add:
                files.make_directories(files.missing_directories(folder))
            files.sweep(folder)
            for path, data in add.items():
                files.replace(files.look(path, "CA"), data, "CA")
                written.append(path)
            self.write(final, changed)
            return self.restart()
        except (NodeError, files.MovedError, OSError) as error:
            for path in written:
                files.delete(files.look(path, "put back"), "put back")
            record.tidy()
            record.data = saved
            record.save()
            if not isinstance(error, OSError):
                raise
            raise NodeError("write", str(error), "Check the disk of %s, then run again." % folder)

    def note(self, final, changed, add):
        """Writes down what is about to be written, so that a power cut leaves nothing that is not known for ours."""
        record, data = self.record, self.record.data
        if changed:
            foreign = self.dialect.without(self.text)[1] and ledger.digest(self.seen.data) not in data["written"]
            record.remember(self.seen)
            if foreign:
                data["before"] = None  # the file with our part in it is no way back
            record.wrote(final.encode("utf-8"))
            data["fileAdded"] = data["fileAdded"] or self.seen.data is None
            data["blocks"] = self.digests(final) + [one for one in data.get("blocks") or self.digests(self.text)]
            if self.dialect.active:
                data["pending"] = process(self.dialect.unit)
        if add or self.seen.data is None:
            record.will_make(os.path.dirname(self.seen.real))
        held = record.owner(self.context.owner)["entries"]
        record.claim(self.context.owner, set(held) | set(self.items()), [])
        record.save()

    def digests(self, text):
        return [digest(block) for _, block in self.dialect.without(text)[1]]

    def items(self):
        return [json.dumps(setting_of(entry), sort_keys=True) for entry in self.want]

    def write(self, final, changed):
        if not changed:
            return
        if not final.strip() and self.record.data["fileAdded"]:
            files.delete(self.seen, "write")
        else:
            files.replace(self.seen, final.encode("utf-8"), "write")

    def restart(self):
        if not self.dialect.active:
            return "files"
        unit = self.dialect.unit
        if self.record.data.get("pending") is None:
            return "files"
        try:
            restart_service(unit)
            return "restart"
        except NodeError as error:
            now = files.look(self.dialect.config, "put back")
            if self.seen.data is None:
                files.delete(now, "put back")
            elif now.data != self.seen.data:
                files.replace(now, self.seen.data, "put back")
            host.restart(unit.name)
            raise NodeError(error.step, error.what, error.fix, "The settings were put back and the service restarted.")

    def settle(self, drop):
        """Writes down what is left of ours, and removes what nobody needs."""
        record = self.record
        for path in drop:
            files.delete(files.look(path, "CA"), "CA")
        record.claim(self.context.owner, self.items(), [])
        record.data.pop("pending", None)
        if "blocks" in record.data:
            record.data["blocks"] = self.digests((files.read(self.seen.real) or b"").decode("utf-8", "replace"))
        record.tidy()
        record.save()

    def report(self, how, differs=None):
        dialect = self.dialect
        done = {"engine": dialect.engine, "config": dialect.config, "how": how, "version": dialect.version,
                "trusted": sorted(entry["address"] for entry in self.want)}
        if dialect.unit is not None:
            done["unit"] = dialect.unit.name
        return done if differs is None else dict(done, differs=differs)


def setting_of(entry):
    """What is kept of a registry's setting; nothing where the engine trusts it anyway."""
    kept = {key: entry[key] for key in ("address", "insecure", "ca") if entry.get(key)}
    return kept if len(kept) > 1 else {}


def desired_of(owners):
    """For each address: who wants it insecure, and by which CAs is it trusted?"""
    desired = {}
    for owner in sorted(owners):
        for entry in filter(setting_of, map(json.loads, owners[owner]["entries"])):
            found = desired.setdefault(entry["address"], {"insecure": [], "cas": set()})
            if entry.get("insecure"):
                found["insecure"].append(owner)
            elif entry.get("ca"):
                found["cas"].add(entry["ca"])
    return desired


def texts_of(desired):
    """The content of every CA file that what is desired may need."""
    sets = [found["cas"] for found in desired.values() if found["cas"]]
    return [bundle(cas) for cas in sets] + [pem for cas in sets for pem in cas]


def bundle(cas):
    """All CAs of one registry as one text, for engines that take one file only."""
    pems = sorted(cas)
    return pems[0] if len(pems) == 1 else "".join(pem.rstrip("\n") + "\n" for pem in pems)


def digest(block):
    return ledger.digest(block.replace("\r", "").encode("utf-8"))


def merged(theirs, parts):
    """Their settings with ours beside them; what both name is an error, as no reader takes it."""
    document = copy.deepcopy(theirs)
    for part in parts:
        for section, entries in part.items():
            if not isinstance(document.get(section), dict):
                if document.get(section) not in (None, "null", "~") and entries:
                    raise ValueError("%s is no map" % section)
                document[section] = {}
            for name in entries:
                if name in document[section]:
                    raise ValueError("%s is there twice under %s" % (name, section))
            document[section].update(entries)
    return document


def settings(document):
    """A document without top-level keys that say nothing."""
    return {key: value for key, value in document.items() if value not in (None, {}, "null", "~")}


def process(unit):
    """Which process a service is; another one has read its settings since."""
    return "%d-%s" % (unit.pid, host.started(unit.pid))


def restart_service(unit):
    """Until the service says that it runs."""
    reached("restart")
    host.restart(unit.name, check="restart")
    if not host.settled(unit.name, 60).active:
        raise NodeError("restart", "%s does not come up" % unit.name, "See `journalctl -u %s`." % unit.name)
