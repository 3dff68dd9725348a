"""Settings files of services that read them only when they start: our part stands in them between marks.

What each owner wants is kept in the ledger, as one marked part serves all. A service that runs is restarted only
where that is allowed. How a file is written is its dialect's business: k3s.py, buildkit.py.
"""
import copy
import hashlib
import json
import os

import files
import host
import ledger
from problem import Problem, reached


class Dialect:
    """One kind of file. Each names `engine`, `path`, `after` (what a restart does to containers), and says how to
    read it (`check`, raising ValueError), which addresses it names by hand, and how our part is written."""

    engine = ""
    path = ""
    after = ""

    def __init__(self, unit, version):
        self.unit = unit
        self.version = version

    def ca_path(self, entry):
        name = hashlib.sha256(entry["ca"].encode("utf-8")).hexdigest()[:16]
        return os.path.join(os.path.dirname(self.path), "pi-runners-%s.crt" % name)


def reconcile(dialect, want, context):
    """Makes the file say what all owners want, and has the service read it."""
    record = ledger.Record(record_name(dialect), dialect.path)
    seen = files.look(dialect.path, "read")
    text = decoded(dialect, seen)
    wishes = all_wishes(dialect, record, want, context)
    for address in dialect.by_hand(text):
        if wishes.pop(address, None) is not None:
            context.warn("%s names %s by hand, so it is left as it is." % (dialect.path, address))
    final = dialect.written(text, wishes)
    if context.dry:
        restart = " (needs a restart)" if dialect.unit is not None and dialect.unit.active else ""
        return report(dialect, want, "none", ["~ %s%s" % (dialect.path, restart)] if final != text else [])
    if final == text:
        note(record, want, context)
        return report(dialect, want, "none")
    if dialect.unit is not None and dialect.unit.active and not context.allow_restart:
        raise Problem("preflight", "%s reads %s only when it starts" % (dialect.unit.name, dialect.path),
                      "Set allowRestart: true; %s." % dialect.after)
    files.check_writable(seen.real, "preflight")
    return report(dialect, want, change(dialect, record, seen, final, want, context))


def record_name(dialect):
    return "%s-%s" % (dialect.engine, hashlib.sha256(dialect.path.encode()).hexdigest()[:12])


def held(path, engine):
    """Is there anything of ours in this file?"""
    name = "%s-%s" % (engine, hashlib.sha256(path.encode()).hexdigest()[:12])
    return name in ledger.records()


def decoded(dialect, seen):
    try:
        text = (seen.data or b"").decode("utf-8")
        dialect.check(text)
        return text
    except ValueError as error:
        raise Problem("read", "%s cannot be edited safely: %s" % (dialect.path, error), "Write it plainly; run again.")


def all_wishes(dialect, record, want, context):
    """What every owner wants, by address."""
    wishes = {}
    for name, owner in record.data["owners"].items():
        if name != context.owner:
            wishes.update({json.loads(item)["address"]: json.loads(item) for item in owner["entries"]})
    for entry in want:
        if "/" in entry["address"]:
            context.warn("%s is a network, which only Docker can trust; %s does not." % (entry["address"], dialect.engine))
            continue
        other = wishes.get(entry["address"])
        if other is not None and wish(entry) != other:
            raise Problem("read", "another stack wants %s otherwise in %s" % (entry["address"], dialect.path),
                          "Give both stacks the same registry settings.")
        wishes[entry["address"]] = wish(entry)
    return wishes


def wish(entry):
    return {key: entry[key] for key in ("address", "insecure", "ca") if entry.get(key)}


def change(dialect, record, seen, final, want, context):
    """Ledger, CA files, settings, restart; back to what was where the service does not come up."""
    folder = os.path.dirname(seen.real)
    saved = copy.deepcopy(record.data)
    if seen.data is None:
        record.data["fileAdded"] = True
        record.will_make(folder)
    if want:
        note(record, want, context)
    files.make_directories(files.missing_directories(folder))
    files.sweep(folder)
    for entry in want:
        if entry.get("ca"):
            put(dialect.ca_path(entry), entry["ca"].encode("utf-8"))
    if not final.strip() and record.data["fileAdded"]:
        files.delete(seen, "write")
    else:
        files.replace(seen, final.encode("utf-8"), "write")
    try:
        how = settle_service(dialect, seen)
    except Problem:
        record.tidy()
        record.data = saved
        record.save()
        raise
    sweep_authorities(dialect, record, want, context)
    record.tidy()
    note(record, want, context)
    return how


def settle_service(dialect, seen):
    if dialect.unit is None or not dialect.unit.active:
        return "files"
    try:
        restart_service(dialect.unit)
        return "restart"
    except Problem as problem:
        put_back(dialect, seen.data)
        host.run(["systemctl", "restart", dialect.unit.name], 180)
        raise Problem(problem.step, problem.what, problem.fix, "The settings were put back and the service restarted.")


def note(record, want, context):
    """Who wants what; a certificate goes with its wish, so only entries are kept."""
    items = [json.dumps(wish(entry), sort_keys=True) for entry in want if "/" not in entry["address"]]
    record.claim(context.owner, items, [])
    record.save()


def put(path, data):
    seen = files.look(path, "CA")
    if seen.data != data:
        files.replace(seen, data, "CA")


def put_back(dialect, before):
    seen = files.look(dialect.path, "put back")
    if before is None:
        files.delete(seen, "put back")
    elif seen.data != before:
        files.replace(seen, before, "put back")


def sweep_authorities(dialect, record, want, context):
    """Removes CA files of ours that no owner's wish needs."""
    others = [owner["entries"] for name, owner in record.data["owners"].items() if name != context.owner]
    wishes = [json.loads(item) for items in others for item in items] + list(want)
    needed = {dialect.ca_path(entry) for entry in wishes if entry.get("ca")}
    folder = os.path.dirname(dialect.path)
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if name.startswith("pi-runners-") and name.endswith(".crt") and path not in needed:
            os.unlink(path)


def restart_service(unit):
    """Until the service says that it runs."""
    reached("restart")
    host.run(["systemctl", "restart", unit.name], 180, check="restart")
    if not host.settled(unit.name, 60).active:
        raise Problem("restart", "%s does not come up" % unit.name, "See `journalctl -u %s`." % unit.name)


def report(dialect, want, how, differs=None):
    trusted = sorted(entry["address"] for entry in want if "/" not in entry["address"])
    done = {"engine": dialect.engine, "config": dialect.path, "how": how, "trusted": trusted,
            "version": dialect.version}
    if dialect.unit is not None:
        done["unit"] = dialect.unit.name
    return done if differs is None else dict(done, differs=differs)
