"""Docker's trust in registries: entries in daemon.json for insecure ones, files in certs.d for those with a CA.

The running engine is told by SIGHUP, then asked. Nothing but its own answer counts, as a reload that fails looks
like one that worked. Removing the key from the file does not untrust anything: the engine acts only on a key that is
there, so the last entry goes in two steps, an empty list first.
"""
import copy
import hashlib
import ipaddress
import os
import time

import engine as engines
import files
import host
import jsontext
import ledger
import pending
from problem import Problem, reached

KEY = "insecure-registries"
PATIENCE = 15
BLANK = jsontext.BOM + " \t\r\n"


def reconcile(engine, want, context):
    """Makes the engine trust just what the owner wants and what others have; says what was done."""
    for attempt in range(5):
        try:
            return Run(engine, want, context).reconcile()
        except files.Moved:
            time.sleep(0.2 * (attempt + 1))
    raise Problem("write", "%s keeps changing while it is edited" % engine.config, "Find out who writes it; run again.")


class Plan:
    """The file as it is, as it should become, and which entries make the difference."""

    def __init__(self, seen, text, document):
        self.seen = seen
        self.text = text
        self.document = document
        self.add = []
        self.remove = []
        self.final = text
        self.unlink = False

    @property
    def changes_file(self):
        return self.final != self.text or self.unlink

    @property
    def keeps_key(self):
        return not self.unlink and KEY in keys(self.final)

    def emptied(self):
        """The text in between: as it was, but with an empty list."""
        return jsontext.set_empty(self.text, KEY)


class Goal:
    """What the engine must say: these are insecure, those are not."""

    def __init__(self, there, gone):
        self.there = [network(entry) for entry in there]
        self.gone = [network(entry) for entry in gone]

    def reached(self, shown):
        return all(entry in shown for entry in self.there) and not any(entry in shown for entry in self.gone)


class Run:
    """One attempt at one engine."""

    def __init__(self, engine, want, context):
        self.engine = engine
        self.want = want
        self.context = context
        self.record = ledger.Record(record_name(engine.config), engine.config)
        self.entries = sorted({entry["address"] for entry in want if entry.get("insecure")})
        self.certs = {cert_path(engine, entry): entry["ca"] for entry in want if entry.get("ca")}
        self.overwritten = []
        self.began = time.time()
        self.reload_first = True
        self.touched = False

    def reconcile(self):
        info = self.ask() if self.engine.unit.active else None
        plan = self.plan(info)
        certs_add, certs_drop = self.plan_certs()
        stale = self.stale(info, plan)
        idle = not (plan.changes_file or certs_add or certs_drop or stale)
        if self.context.dry:
            return self.result(info, "none", differences(plan, certs_add, certs_drop, stale))
        files.sweep(os.path.dirname(plan.seen.real))
        if idle:
            self.settle(plan)
            return self.result(info, "none")
        self.check(plan, info, stale)
        return self.result(info, self.change(plan, info, certs_add, certs_drop, stale))

    # What there is and what should be.

    def plan(self, info):
        """Decides entries and text from the file, the ledger and the wish."""
        seen = files.look(self.engine.config, "read")
        text, document = self.parse(seen, info)
        plan = Plan(seen, text, document)
        present = pending.listed(document) if document else []
        there = {pending.bare(entry) for entry in present} | set(host.flag(self.engine.words, "insecure-registry"))
        kept = self.held_by_others("entries") | set(self.entries)
        plan.add = [entry for entry in self.entries if entry not in there]
        plan.remove = [entry for entry in self.record.data["added"] if entry in present and entry not in kept]
        plan.final, plan.unlink = self.final_text(plan, present)
        return plan

    def parse(self, seen, info):
        """The file's text and its members; an empty file is a file without settings."""
        if seen.data is None:
            return "", None
        where = self.engine.config
        try:
            text = seen.data.decode("utf-8")
            if not text.strip():
                return text, None
            document = jsontext.scan(text)
            jsontext.entries(document, KEY)
        except UnicodeDecodeError as error:
            raise Problem("read", "%s is not UTF-8 (at byte %d)" % (where, error.start), "Correct it, then run again.")
        except jsontext.Broken as error:
            raise Problem("read", "%s cannot be edited safely: %s" % (where, error), "Correct it, then run again.")
        if text.startswith(jsontext.BOM) and (info is None or engines.version(info) < (23, 0, 0)):
            raise Problem("read", "%s begins with a byte order mark, which Docker before 23.0 cannot read" % where,
                          "Save it as UTF-8 without BOM, then run again.")
        return text, document

    def final_text(self, plan, present):
        """The text with what is to be added and removed, and whether the file goes; the very bytes of before when all
        that this tool ever wrote goes and nobody else has written since."""
        data = self.record.data
        left = [entry for entry in data["added"] if entry in present and entry not in plan.remove]
        if not (plan.add or left or self.entries or self.held_by_others("entries")):
            original = self.record.original(plan.seen)
            if original is not None:
                return original.decode("utf-8"), False
        text = jsontext.remove(plan.text, KEY, plan.remove) if plan.document else plan.text
        text = jsontext.add(text, KEY, plan.add)
        if not data["keyAdded"] or listed(text) != [] or KEY not in keys(text):
            return text, False
        text = jsontext.drop(text, KEY)
        return text, not keys(text) and data["fileAdded"] and self.engine.default_config

    def held_by_others(self, kind):
        owners = self.record.data["owners"]
        return {item for name in owners if name != self.context.owner for item in owners[name][kind]}

    def plan_certs(self):
        """CA files to write and to remove."""
        add = [path for path, pem in sorted(self.certs.items()) if files.read(path) != pem.encode("utf-8")]
        kept = self.held_by_others("files") | set(self.certs)
        return add, [path for path in sorted(self.record.data["files"]) if path not in kept]

    def gone(self, plan):
        """Entries that this tool had added, that nobody holds any more, and that do not stand in the file to be."""
        final = set() if plan.unlink else set(map(pending.bare, listed(plan.final)))
        held = self.held_by_others("entries") | set(self.entries)
        return [entry for entry in self.record.data["added"] if entry not in final and entry not in held]

    def stale(self, info, plan):
        """Entries on which the running engine and the file to be do not agree: what a reload has to mend."""
        if info is None:
            return []
        shown = engines.insecure(info)
        missing = [entry for entry in self.entries if network(entry) not in shown]
        return sorted(missing + [entry for entry in self.gone(plan) if network(entry) in shown])

    # Before anything is touched.

    def check(self, plan, info, stale):
        files.check_writable(self.record.file, "preflight")
        if plan.changes_file:
            files.check_writable(plan.seen.real, "preflight")
        for path in self.certs:
            files.check_writable(path, "preflight")
        if plan.add:
            pending.check_flags(self.engine.words)
        if info is not None and (plan.changes_file or stale):
            self.reload_first = pending.check_version(plan.document, info, self.context.allow_restart)
            if plan.document is not None:
                pending.check(plan.document, info, self.context, self.engine.config)
        foreign = set() if plan.unlink else set(map(pending.bare, listed(plan.final)))
        for entry in self.want:
            if entry.get("ca") and entry["address"] in foreign:
                self.context.warn("%s is listed as insecure by somebody else, so Docker does not use its CA."
                                  % entry["address"])

    def validate(self, text, info):
        """Lets the engine's own program read the file first, where it can (23.0 and later)."""
        if engines.version(info) < (23, 0, 0):
            return
        path = os.path.join(ledger.HOME, ".validate.json")
        try:
            with open(path, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            program = "/proc/%d/exe" % self.engine.unit.pid
            status, output = host.run([program, "--validate", "--config-file", path])
        finally:
            if os.path.exists(path):
                os.unlink(path)
        if status != 0:
            raise Problem("validate", "Docker refuses the new %s: %s" % (self.engine.config, output[-500:]),
                          "Correct what it names, then run again.")

    # The change.

    def change(self, plan, info, certs_add, certs_drop, stale):
        """Writes ledger, CA files and settings in this order, proves each, and puts all back where one fails."""
        saved = copy.deepcopy(self.record.data)
        self.note(plan, certs_add)
        try:
            self.write_certs(certs_add)
            how = self.change_settings(plan, info, stale)
            self.prove_by_pulling(info, plan, certs_add)
        except files.Moved:
            self.take_back(saved)
            raise
        except Exception as error:
            raise self.put_all_back(as_problem(error), plan, info, saved)
        self.drop_certs(certs_drop)
        self.record.tidy()
        self.settle(plan)
        return "files" if how == "none" else how

    def note(self, plan, certs_add):
        """Writes down what will be added before it is, so that a power cut between leaves no orphan."""
        data = self.record.data
        if plan.changes_file:
            self.record.remember(plan.seen)
        if plan.add:
            data["keyAdded"] = data["keyAdded"] or KEY not in keys(plan.text)
            data["fileAdded"] = data["fileAdded"] or plan.seen.data is None
        data["added"] = data["added"] + [entry for entry in plan.add if entry not in data["added"]]
        for path in certs_add:
            self.record.will_make(os.path.dirname(path))
            note = data["files"].setdefault(path, {})
            note["sha256"] = ledger.digest(self.certs[path].encode("utf-8"))
        held = self.record.owner(self.context.owner)
        self.record.claim(self.context.owner, set(held["entries"]) | set(self.entries),
                          set(held["files"]) | set(self.certs))
        if plan.changes_file:
            self.record.wrote(plan.final.encode("utf-8"))
        self.record.save()

    def settle(self, plan):
        """Writes down what is left of ours, now that it is proven; writes nothing when nothing is new."""
        data = self.record.data
        gone = self.gone(plan)
        data["added"] = [entry for entry in data["added"] if entry not in gone]
        if not data["added"]:
            data.update(keyAdded=False, fileAdded=False, before=None, written=[])
        self.record.claim(self.context.owner, self.entries, self.certs)
        self.record.save()

    def change_settings(self, plan, info, stale):
        """The file, then the engine."""
        if info is None:
            if plan.changes_file:
                self.write(plan.seen, plan)
            self.context.warn("%s is stopped and stays so; it reads the change when it starts." % self.engine.unit.name)
            return "none"
        if not plan.changes_file and not stale:
            return "none"
        if plan.changes_file and not plan.unlink and plan.final.strip():
            self.validate(plan.final, info)
        goal = Goal(self.entries, self.gone(plan))
        if plan.keeps_key or not any(entry in engines.insecure(info) for entry in goal.gone):
            if plan.changes_file:
                self.write(plan.seen, plan)
            return self.bring_about(goal) if stale else "none"
        return self.change_in_two_steps(plan, goal)

    def change_in_two_steps(self, plan, goal):
        """For a key that goes: an empty list that the engine acts on, then the file without the key."""
        emptied = plan.emptied()
        seen = plan.seen
        self.touched = True
        if emptied != plan.text:
            self.record.wrote(emptied.encode("utf-8"))
            self.record.save()
            seen = files.replace(seen, emptied.encode("utf-8"), "empty")
        how = self.bring_about(goal)
        self.write(seen, plan)
        return how

    def write(self, seen, plan):
        if plan.unlink:
            return files.delete(seen, "write")
        files.replace(seen, plan.final.encode("utf-8"), "write")
        self.touched = True
        return None

    # The engine.

    def ask(self):
        try:
            return self.engine.info()
        except engines.Silent as error:
            raise Problem("ask the engine", "%s is running but does not answer: %s" % (self.engine.unit.name, error),
                          "See `journalctl -u %s`." % self.engine.unit.name)

    def bring_about(self, goal):
        """Reloads, and where that is not enough and it is allowed, restarts; until the engine says what it should."""
        name = self.engine.unit.name
        self.touched = True
        if self.reload_first:
            self.engine.reload()
            reached("reloaded")
            if self.wait_for(goal, PATIENCE):
                reached("proven")
                return "reload"
            if not self.engine.alive():
                raise Problem("reload", "%s ended when it was told to reload: %s" % (name, self.journal()),
                              "Correct what it names, then run again.")
        if not self.context.allow_restart:
            raise Problem("prove", "the engine does not take the change by a reload: %s" % self.journal(),
                          "Correct what it names, or set allowRestart: true if only a restart can help.")
        self.engine.restart()
        if self.wait_for(goal, 60):
            return "restart"
        raise Problem("prove", "the engine does not take the change by a restart: %s" % self.journal(),
                      "Correct what it names, then run again.")

    def wait_for(self, goal, seconds):
        """True once the engine itself says that the goal is reached, by the process that we know."""
        give_up = time.monotonic() + seconds
        pause = 0.02
        while time.monotonic() < give_up:
            try:
                if goal.reached(engines.insecure(self.engine.info(5))):
                    return self.engine.same_process()
            except engines.Silent:
                if not self.engine.alive():
                    return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return False

    def journal(self):
        """What the engine said in its journal lately."""
        name = self.engine.unit.name
        _, output = host.run(["journalctl", "-u", name, "-o", "cat", "--no-pager", "--since", "@%d" % self.began],
                             10)
        lines = [line for line in output.splitlines() if "level=error" in line or "level=fatal" in line]
        return " | ".join(line[-300:] for line in lines[-2:]) or "its journal says nothing (journalctl -u %s)" % name

    # The way back.

    def put_all_back(self, problem, plan, info, saved):
        """Everything as it was before this run; the problem then says so. The ledger keeps its notes if that fails."""
        try:
            state = self.roll_back(plan, info) if self.touched else problem.restored
            self.take_back(saved)
        except Exception as error:
            state = "PUTTING BACK FAILED (%s). The settings of before are kept in %s." % (error, self.record.file)
        return Problem(problem.step, problem.what, problem.fix, state)

    def roll_back(self, plan, info):
        """Settings as they were, and the engine with them; in two steps where the key goes."""
        if info is None:
            self.restore(plan)
            return "The settings were put back."
        alive = self.engine.alive()
        before = engines.insecure(info)
        surplus = [entry for entry in plan.add if network(entry) not in before]
        if alive and surplus and KEY not in keys(plan.text):
            seen = files.look(self.engine.config, "put back")
            emptied = jsontext.set_empty((seen.data or b"").decode("utf-8"), KEY)
            self.record.wrote(emptied.encode("utf-8"))
            self.record.save()
            files.replace(seen, emptied.encode("utf-8"), "put back")
            self.engine.reload()
            self.wait_for(Goal([], surplus), PATIENCE)
        self.restore(plan)
        return self.revive(alive, Goal([entry for entry in plan.remove if network(entry) in before], surplus))

    def restore(self, plan):
        """The file of before; where somebody else has edited it meanwhile, theirs without our part."""
        seen = files.look(self.engine.config, "put back")
        if seen.data == plan.seen.data:
            return
        ours = ledger.digest(seen.data) in self.record.data["written"] or (plan.unlink and seen.data is None)
        if ours and plan.seen.data is None:
            files.delete(seen, "put back")
        elif ours:
            files.replace(files.Seen(seen.path, seen.real, seen.data, plan.seen.status), plan.seen.data, "put back")
        else:
            text = jsontext.remove((seen.data or b"").decode("utf-8"), KEY, plan.add)
            text = jsontext.add(text, KEY, [entry for entry in plan.remove if entry not in listed(text)])
            files.replace(seen, text.encode("utf-8"), "put back")

    def revive(self, alive, goal):
        """The engine as it was: reloaded, or started again if it had ended."""
        if alive:
            self.engine.reload()
            done = self.wait_for(goal, PATIENCE)
            return "The settings were put back%s." % ("" if done else ", but the engine has not confirmed it")
        self.engine.start()
        running = "and the engine runs again" if self.engine.unit.active else "but the engine DOES NOT START"
        return "The settings were put back, %s." % running

    def take_back(self, saved):
        """CA files and ledger as they were before this run."""
        for path, data in self.overwritten:
            seen = files.look(path, "put back")
            if data is None:
                files.delete(seen, "put back")
            else:
                files.replace(seen, data, "put back")
        self.record.tidy()
        self.record.data = saved
        self.record.save()

    # CA files.

    def write_certs(self, paths):
        for path in paths:
            files.make_directories(files.missing_directories(os.path.dirname(path)))
            files.sweep(os.path.dirname(path))
            seen = files.look(path, "CA")
            files.replace(seen, self.certs[path].encode("utf-8"), "CA")
            self.overwritten.append((path, seen.data))

    def drop_certs(self, paths):
        """Removes our CA files, except one that somebody has changed since."""
        for path in paths:
            note = self.record.data["files"].pop(path)
            seen = files.look(path, "CA")
            if seen.data is not None and ledger.digest(seen.data) != note["sha256"]:
                self.context.warn("%s was changed by hand, so it stays." % path)
                continue
            files.delete(seen, "CA")

    def prove_by_pulling(self, info, plan, certs_add):
        """Has the engine itself ask each new registry for a manifest, so that its own trust is tried. Only a CA that
        does not fit is a failure: a registry may be down, and an insecure one is proven already."""
        if info is None:
            return
        new = set(plan.add) | {os.path.basename(os.path.dirname(path)) for path in certs_add}
        for entry in self.want:
            if entry["address"] not in new or "/" in entry["address"]:
                continue
            answer = self.manifest(entry["address"])
            if entry.get("ca") and any(sign in answer for sign in ("x509", "tls:", "certificate")):
                raise Problem("prove", "the engine does not trust %s by this CA: %s" % (entry["address"], answer[-300:]),
                              "Give the CA that signed the registry's certificate; check its names, dates and the clock.",
                              "The files were put back.")
            if unreachable(answer):
                self.context.warn("%s does not answer this node, so no pull could be tried: %s"
                                  % (entry["address"], answer[-200:]))

    def manifest(self, address):
        """The engine's answer when it is asked for a manifest that hardly exists; any answer of a registry will do."""
        try:
            _, body = engines.ask(self.engine.socket, "/distribution/%s/pi-runners-trust-check:none/json" % address, 3)
            return body.decode("utf-8", "replace").strip()
        except engines.Silent as error:
            return "no answer in time: %s" % error

    # What is told.

    def result(self, info, how, differs=None):
        """One engine's part of the report."""
        trusted = sorted(set(self.entries) | {entry["address"] for entry in self.want if entry.get("ca")})
        self.hints(info, how)
        report = {"engine": "docker", "unit": self.engine.unit.name, "config": self.engine.config, "how": how,
                  "version": (info or {}).get("ServerVersion", "stopped"), "trusted": trusted}
        return report if differs is None else dict(report, differs=differs)

    def hints(self, info, how):
        """What a user should know that no reload can change."""
        if info is None or not self.want:
            return
        if how == "reload" and engines.version(info) < (25, 0, 0):
            self.context.warn("BuildKit inside Docker %s reads insecure registries only when Docker starts: builds with "
                              "DOCKER_BUILDKIT=1 need one restart, at a time of your choice." % info.get("ServerVersion"))
        driver = dict(pair for pair in info.get("DriverStatus") or [] if len(pair) == 2).get("driver-type", "")
        if "snapshotter" in driver and engines.version(info) < (29, 5, 0):
            self.context.warn("Docker %s with the containerd image store ignores this trust for token requests; 29.5.0 "
                              "does not." % info.get("ServerVersion"))


def network(entry):
    """A network as the engine writes it; a host as it is."""
    if "/" not in entry:
        return entry
    return str(ipaddress.ip_network(entry, strict=False))


def keys(text):
    return jsontext.scan(text).value() if text.strip(BLANK) else {}


def listed(text):
    return pending.listed(jsontext.scan(text)) if text.strip(BLANK) else []


def differences(plan, certs_add, certs_drop, stale):
    """What a run would change, as lines of a diff."""
    lines = ["+ %s: %s" % (plan.seen.path, entry) for entry in plan.add]
    lines += ["- %s: %s" % (plan.seen.path, entry) for entry in plan.remove]
    lines += ["+ %s" % path for path in certs_add] + ["- %s" % path for path in certs_drop]
    changed = set(plan.add) | set(plan.remove)
    return lines + ["~ running engine: %s needs a reload" % entry for entry in stale if entry not in changed]


def record_name(path):
    return "docker-" + hashlib.sha256(path.encode("utf-8")).hexdigest()[:12]


def cert_path(engine, entry):
    """A name of our own beside anybody's: every .crt of the directory counts."""
    name = "pi-runners-%s.crt" % hashlib.sha256(entry["ca"].encode("utf-8")).hexdigest()[:16]
    return os.path.join(engine.certs, entry["address"], name)


def unreachable(answer):
    signs = ("no such host", "connection refused", "no route to host", "i/o timeout", "no answer in time",
             "deadline exceeded", "Client.Timeout", "network is unreachable", "server misbehaving")
    return any(sign in answer for sign in signs)


def as_problem(error):
    if isinstance(error, Problem):
        return error
    return Problem("change", "%s: %s" % (type(error).__name__, error), "See the engine's journal and the disk, then run again.")
