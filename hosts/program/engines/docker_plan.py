"""What one Docker needs: the file, the ledger, the engine and the desired registries decide. Nothing is touched here."""
import hashlib
import os

import docker_entries as entries
import engine as engines
import files
import host
import jsontext
import ledger
from docker_entries import KEY, LOOPBACK, name, names
from nodeerror import NodeError

# From here on a list that is set, an empty one too, takes the place of the loopback networks.
FORGETS_LOOPBACK = (29, 10, 0)


class Plan:
    """The file as it is and as it should become, the CA files, and what the engine has to be told.

    `text` and `final` are None where there is, or should be, no file. `told` is what the engine is made to read where it
    would not act on `final`: it ignores a key that is missing, and refuses a list with an entry that it does not take.
    """

    def __init__(self, engine, want, context, info):
        self.engine = engine
        self.want = want
        self.context = context
        self.info = info
        self.shown = set() if info is None else engines.insecure(info)
        self.record = ledger.Record(record_name(engine.config), engine.config)
        self.seen = files.look(engine.config, "read")
        self.text = decoded(self.seen)
        self.document = parsed(self.seen.path, self.text, info)
        self.plan_entries()
        self.final = self.final_text()
        self.told = self.told_text()
        self.plan_authorities()

    # Entries.

    def plan_entries(self):
        data, present = self.record.data, listed(self.text)
        self.claimed = [entry["address"] for entry in self.want if entry.get("insecure")]
        self.kept = names(self.claimed) | names(self.others("entries"))
        self.desired = entries.unique(self.claimed)
        if self.kept and self.keeps_loopback():
            self.kept |= set(LOOPBACK)
            self.desired = entries.unique(self.desired + LOOPBACK)
        there = names(present) | names(host.flag(self.engine.words, "insecure-registry"))
        self.add = [entry for entry in self.desired if name(entry) not in there]
        self.remove = [entry for entry in data["added"] if entry in present and name(entry) not in self.kept]

    def keeps_loopback(self):
        """Must our list name the loopback networks? Not where the list is the user's: it has replaced them already."""
        data = self.record.data
        if not data["keyAdded"] and KEY in keys(self.text):
            return False
        if self.info is None:
            return any(entry in data["added"] for entry in LOOPBACK)
        return engines.version(self.info) >= FORGETS_LOOPBACK

    def others(self, kind):
        """What other owners have claimed."""
        owners = self.record.data["owners"]
        return {item for owner in owners if owner != self.context.owner for item in owners[owner][kind]}

    @property
    def gone(self):
        """Names that this tool had added, that no owner wants any more, and that the file to be does not hold."""
        held = names(entry for entry in listed(self.final) if entries.accepted(entry)) | set(LOOPBACK)
        held |= names(host.flag(self.engine.words, "insecure-registry"))
        return sorted(names(self.record.data["added"]) - self.kept - held)

    @property
    def stale(self):
        """What the running engine and the file to be do not agree on: what a reload has to put right."""
        if self.info is None:
            return []
        missing = [name(entry) for entry in self.desired if name(entry) not in self.shown]
        return sorted(missing + [one for one in self.gone if one in self.shown])

    # Texts.

    @property
    def changes_file(self):
        return self.final != self.text

    @property
    def idle(self):
        return not (self.changes_file or self.authorities_add or self.authorities_drop or self.stale)

    def final_text(self):
        """The very bytes of before where all that this tool wrote goes and nobody else has written since; otherwise the
        text as it is, with what is to be added and without what is to be removed."""
        data = self.record.data
        if not self.kept:
            original = self.record.original(self.seen)
            if original is not None:
                return self.readable(original.decode("utf-8"))
        if self.text is None and not self.add:
            # A daemon that was told to read this file does not start without it.
            return None if self.engine.default_config or not data["added"] else "{}\n"
        text = jsontext.remove(self.text, KEY, self.remove) if self.document else self.text or ""
        text = jsontext.add(text, KEY, self.add)
        if data["keyAdded"] and KEY in keys(text) and not listed(text):
            text = jsontext.drop(text, KEY)
        ours = data["fileAdded"] and self.engine.default_config
        if ours and not keys(text) and (text != self.text or jsontext.blank(text)):
            return None
        return self.readable(text) if text != self.text or data["added"] else text

    def readable(self, text):
        """The text, or an empty object in place of an empty text, with which Docker before 23.0 does not start."""
        return "{}\n" if jsontext.blank(text) and self.engine.refusal(text) else text

    def told_text(self):
        """What the engine has to read first, so that it gives up what is not in the file to be; None when nothing."""
        there = listed(self.final)
        taken = [entry for entry in there if entries.accepted(entry)]
        if not any(one in self.shown for one in self.gone) or (KEY in keys(self.final) and taken == there):
            return None
        return self.with_list(self.text or "", taken)

    def with_list(self, text, taken):
        """The text with these entries alone; without any, the engine is to trust what it trusts without the key."""
        forgets = self.info is not None and engines.version(self.info) >= FORGETS_LOOPBACK
        return jsontext.set_list(text, KEY, taken or (LOOPBACK if forgets else []))

    # CA files.

    def plan_authorities(self):
        """CA files to write and to remove."""
        noted = self.record.data["files"]
        self.authorities = {cert_path(self.engine, one): one["ca"].encode("utf-8") for one in self.want if one.get("ca")}
        self.authorities_add = [path for path, pem in sorted(self.authorities.items())
                                if path not in noted or files.read(path) != pem]
        kept = self.others("files") | set(self.authorities)
        self.authorities_drop = [path for path in sorted(noted) if path not in kept]
        # Docker looks for them in the same folder, whichever file it was told to read.
        self.authorities_elsewhere = {path for one in ledger.siblings(self.record) for path in one.claimed("files")}

    def edited_authorities(self):
        """CA files of ours that somebody has changed since, and that this run would overwrite or remove."""
        found = []
        for path in self.authorities_add + self.authorities_drop:
            data = files.read(path)
            note = self.record.data["files"].get(path, {}).get("sha256")
            if data is not None and data != self.authorities.get(path) and ledger.digest(data) != note:
                found.append(path)
        return found

    # What is told.

    def differences(self):
        """What a run would change, as lines of a diff."""
        lines = ["+ %s: %s" % (self.seen.path, entry) for entry in self.add]
        lines += ["- %s: %s" % (self.seen.path, entry) for entry in self.remove]
        lines += ["+ %s" % path for path in self.authorities_add] + ["- %s" % path for path in self.authorities_drop]
        changed = names(self.add) | names(self.remove)
        return lines + ["~ running engine: %s needs a reload" % one for one in self.stale if one not in changed]


def decoded(seen):
    if seen.data is None:
        return None
    try:
        return seen.data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NodeError("read", "%s is not UTF-8 (at byte %d)" % (seen.path, error.start), "Correct it, then run again.")


def parsed(path, text, info):
    """The text's members; None where it holds no settings."""
    if text is None or jsontext.blank(text):
        return None
    try:
        document = jsontext.scan(text)
        jsontext.entries(document, KEY)
    except jsontext.BrokenError as error:
        raise NodeError("read", "%s cannot be edited safely: %s" % (path, error), "Correct it, then run again.")
    if text.startswith(jsontext.BOM) and (info is None or engines.version(info) < (23, 0, 0)):
        raise NodeError("read", "%s begins with a byte order mark, which Docker before 23.0 cannot read" % path,
                        "Save it as UTF-8 without BOM, then run again.")
    return document


def keys(text):
    return jsontext.scan(text).value() if text is not None and not jsontext.blank(text) else {}


def listed(text):
    """The entries that stand in a text."""
    return jsontext.entries(jsontext.scan(text), KEY) or [] if keys(text) else []


def record_name(path):
    return "docker-" + hashlib.sha256(path.encode("utf-8")).hexdigest()[:12]


def cert_path(engine, entry):
    """A name of our own beside anybody's: every .crt of the directory counts."""
    own = "pi-runners-%s.crt" % hashlib.sha256(entry["ca"].encode("utf-8")).hexdigest()[:16]
    return os.path.join(engine.certs, entry["address"], own)
