"""Plays applies, removes and hand edits on registries.yaml and buildkitd.toml in a folder of its own. No service runs."""
import os
import shutil
import tempfile

import buildkit
import files
import k3s
import ledger
import marked
import nodeerror
import trustable

CA = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
os.fsync = lambda _: None  # the disk is not what is tried here
KINDS = {"k3s": ("registries.yaml", k3s.K3s), "buildkit": ("buildkitd.toml", buildkit.BuildKit)}


def entry(text):
    """`a:1` is insecure, `a:1=x` has the CA x."""
    address, _, ca = text.partition("=")
    return {"address": address, "ca": CA % ca} if ca else {"address": address, "insecure": True}


def play(kind, start, events):
    """What each event did: the text afterwards, or why it was refused, and what lies beside the file at the end. Text
    that was written is read with the file's folder as FOLDER."""
    folder = tempfile.mkdtemp()
    name, dialect = KINDS[kind]
    path = os.path.join(folder, "settings", name)
    home = os.path.join(folder, "ledger")
    os.makedirs(home)
    os.makedirs(os.path.dirname(path))
    if start is not None:
        put(path, start)
    defaults, check = ledger.Record.__init__.__defaults__, files.check_writable
    ledger.Record.__init__.__defaults__, files.check_writable = (home,), lambda *_: None
    told = []
    try:
        for event in events:
            told.append(one(dialect(None, "?", path), event, path, folder))
        rest = sorted(os.listdir(os.path.dirname(path))), os.listdir(home)
    finally:
        ledger.Record.__init__.__defaults__, files.check_writable = defaults, check
        shutil.rmtree(folder)
    return {"told": told, "beside": rest[0], "ledger": rest[1]}


def one(dialect, event, path, folder):
    if event[0] == "write":
        there = os.path.join(os.path.dirname(path), event[2]) if len(event) > 2 else path
        put(there, event[1].replace("FOLDER", folder))
        return {"text": event[1], "trusted": []}
    if event[0] == "old":
        return as_before(dialect, event[1], [entry(text) for text in event[2]], path)
    if event[0] == "moved":  # the service reads another file of the folder from now on; that one comes first
        dialect.config = os.path.join(os.path.dirname(path), event[3])
    before = files.read(path)
    context = nodeerror.Context("n", event[1])
    try:
        report = marked.reconcile(dialect, [entry(text) for text in event[2]], context)
    except nodeerror.NodeError as error:
        if files.read(path) != before:
            return {"error": "WRITTEN ALL THE SAME: %s" % error}
        return {"error": error.what.replace(folder, "FOLDER"), "fix": error.fix}
    data = files.read(path)
    return {"text": None if data is None else data.decode("utf-8").replace(folder, "FOLDER"),
            "trusted": report["trusted"], "warnings": context.warnings}


def as_before(dialect, owner, want, path):
    """What the program of 9e7e48e does: it knows of no digests of blocks, and keeps those that it finds."""
    record = ledger.Record(trustable.record_name(dialect.engine, path), path)
    record.claim(owner, [marked.json.dumps(one, sort_keys=True) for one in want], [])
    record.data["fileAdded"] = record.data["fileAdded"] or not os.path.exists(path)
    bare = dialect.without((files.read(path) or b"").decode("utf-8"))[0]
    put(path, dialect.added(bare, dialect.ours(marked.desired_of(record.data["owners"]))))
    record.save()
    return {"text": (files.read(path) or b"").decode("utf-8"), "trusted": []}


def put(path, text):
    with open(path, "wb") as stream:
        stream.write(text.encode("utf-8"))
