"""The change of one Docker: ledger, CA files, settings, in this order; each proven by the engine itself.

The running engine is told by SIGHUP, then asked. Nothing but its own answer counts, as a reload that fails looks like
one that worked. Removing the key from the file does not untrust anything: the engine acts only on a key that is there,
so the last entry goes in two steps, an empty list first.
"""
import copy
import os
import time

import docker_rollback
import engine as engines
import files
import host
import ledger
from docker_entries import KEY, name, names
from docker_plan import keys
from nodeerror import NodeError, reached


class Change:
    """One change of one engine, and what it has touched so far."""

    def __init__(self, plan, reload_first):
        self.plan = plan
        self.engine = plan.engine
        self.record = plan.record
        self.reload_first = reload_first
        self.saved = copy.deepcopy(plan.record.data)
        self.began = time.time()
        self.touched = False
        self.authorities_before = []

    def run(self):
        """How the engine learned of it; puts all back where a step fails."""
        self.note()
        try:
            self.write_authorities()
            how = self.change_settings()
            self.drop_authorities()
            prove_authorities(self.plan)
        except files.MovedError:
            docker_rollback.take_back(self)
            raise
        except Exception as error:
            raise docker_rollback.put_all_back(as_problem(error), self)
        self.record.tidy()
        settle(self.plan)
        return "files" if how == "none" else how

    def note(self):
        """Writes down what will be added before it is, so that a power cut between leaves no orphan."""
        plan, data = self.plan, self.record.data
        if plan.changes_file or plan.told is not None:
            self.record.remember(plan.seen)
            self.record.will_make(os.path.dirname(plan.seen.real))
        if plan.add:
            data["keyAdded"] = data["keyAdded"] or KEY not in keys(plan.text)
            data["fileAdded"] = data["fileAdded"] or plan.text is None
        data["added"] = data["added"] + [entry for entry in plan.add if entry not in data["added"]]
        for path in plan.authorities_add:
            self.record.will_make(os.path.dirname(path))
            data["files"].setdefault(path, {})["sha256"] = ledger.digest(plan.authorities[path])
        claimed = self.record.owner(plan.context.owner)
        self.record.claim(plan.context.owner, set(claimed["entries"]) | set(plan.claimed),
                          set(claimed["files"]) | set(plan.authorities))
        if plan.changes_file and plan.final is not None:
            self.record.wrote(plan.final.encode("utf-8"))
        self.record.save()

    # The settings.

    def change_settings(self):
        """The file, then the engine."""
        plan = self.plan
        if plan.info is None:
            plan.context.warn("%s is stopped and stays so; it reads the change when it starts." % self.engine.unit.name)
        if plan.told is not None:
            return self.change_in_two_steps()
        if plan.changes_file:
            self.write(plan.seen, plan.final, "write")
        return self.bring_about() if plan.stale else "none"

    def change_in_two_steps(self):
        """For a key that goes: a list that the engine acts on, then the file as it shall be."""
        plan, seen = self.plan, self.plan.seen
        if plan.told != plan.text:
            seen = self.write(seen, plan.told, "empty")
        how = self.bring_about()
        self.write(seen, plan.final, "write")
        return how

    def write(self, seen, text, step):
        """The file with this text, or without it no file; noted first, so that it is known for ours afterwards."""
        if text is None:
            files.delete(seen, step)
            self.touched = True
            return files.look(seen.path, step)
        self.record.wrote(text.encode("utf-8"))
        self.record.save()
        files.make_directories(files.missing_directories(os.path.dirname(seen.real)))
        seen = files.replace(seen, text.encode("utf-8"), step)
        self.touched = True
        return seen

    # The engine.

    def bring_about(self):
        """Reloads, and where that is not enough and it is allowed, restarts; until the engine says what it should."""
        goal = engines.Goal(names(self.plan.desired), self.plan.gone)
        unit = self.engine.unit.name
        self.touched = True
        if self.reload_first:
            self.engine.reload()
            reached("reloaded")
            if self.engine.reaches(goal):
                reached("proven")
                return "reload"
            if not self.engine.alive():
                raise NodeError("reload", "%s ended when it was told to reload: %s" % (unit, self.journal()),
                                "Correct what it names, then run again.")
        self.check_restart()
        self.engine.restart()
        if self.engine.reaches(goal, 60):
            return "restart"
        raise NodeError("prove", "the engine does not take the change by a restart: %s" % self.journal(),
                        "Correct what it names, then run again.")

    def check_restart(self):
        """An engine that would not come up again is not restarted, allowed or not, and nobody is advised to allow it."""
        config = self.engine.config
        text = (files.look(config, "restart").data or b"{}").decode("utf-8", "replace")
        reason = self.engine.refusal(text)
        if reason is None:
            reason = "its program cannot be asked whether it would start"
        elif not reason and self.edited_since_start():
            reason = "%s was edited after Docker had started, and nobody knows whether Docker starts with it" % config
        if reason:
            raise NodeError("prove", "the engine does not take the change by a reload: %s. It is not restarted: %s"
                            % (self.journal(), reason),
                            "Correct what it names. Restart Docker yourself when containers may stop, then run again.")
        if not self.plan.context.allow_restart:
            raise NodeError("prove", "the engine does not take the change by a reload: %s" % self.journal(),
                            "Correct what it names, or set allowRestart: true if only a restart can help.")

    def edited_since_start(self):
        """Has somebody else written to the file since the engine read it at its start?"""
        seen = self.plan.seen
        if seen.status is None or ledger.digest(seen.data) in self.saved["written"]:
            return False
        return seen.status.st_mtime > self.engine.started_at()

    def journal(self):
        """What the engine said in its journal lately."""
        unit = self.engine.unit.name
        _, output = host.run(["journalctl", "-u", unit, "-o", "cat", "--no-pager", "--since", "@%d" % self.began], 10)
        lines = [line for line in output.splitlines() if "level=error" in line or "level=fatal" in line]
        return " | ".join(line[-300:] for line in lines[-2:]) or "its journal says nothing (journalctl -u %s)" % unit

    # CA files.

    def write_authorities(self):
        for path in self.plan.authorities_add:
            files.make_directories(files.missing_directories(os.path.dirname(path)))
            files.sweep(os.path.dirname(path))
            seen = files.look(path, "CA")
            self.authorities_before.append(seen)
            if seen.data != self.plan.authorities[path]:
                files.replace(seen, self.plan.authorities[path], "CA")

    def drop_authorities(self):
        for path in self.plan.authorities_drop:
            if path not in self.plan.authorities_elsewhere:
                seen = files.look(path, "CA")
                self.authorities_before.append(seen)
                files.delete(seen, "CA")
            del self.record.data["files"][path]


def settle(plan):
    """Writes down what is left of ours, now that it is proven; an entry that no owner wants is ours no more, whatever
    stands in the file. Writes nothing when nothing is new."""
    data = plan.record.data
    data["added"] = [entry for entry in data["added"] if name(entry) in plan.kept]
    if not data["added"]:
        data.update(keyAdded=False, fileAdded=False, before=None, written=[])
    plan.record.claim(plan.context.owner, plan.claimed, plan.authorities)
    plan.record.save()


def prove_authorities(plan):
    """Has the engine itself ask registries for a manifest, so that its own trust is tried: those with a CA at every run,
    as the state that stays is what has to be right; new insecure ones to say so if they do not answer. Only a CA that
    does not fit is a failure: a registry may be down."""
    if plan.info is None:
        return
    added = names(plan.add)
    for entry in plan.want:
        address, ca = entry["address"], entry.get("ca")
        if "/" in address or not (ca or name(address) in added):
            continue
        answer = plan.engine.manifest(address)
        if ca and any(sign in answer for sign in ("x509", "tls:", "certificate")):
            raise NodeError("prove", "the engine does not trust %s by this CA: %s" % (address, answer[-300:]),
                            "Give the CA that signed the registry's certificate; check its names, dates and the clock.")
        if ca and "server gave HTTP response" in answer:
            raise NodeError("prove", "%s speaks plain HTTP, which no CA can make trusted" % address,
                            "Give the address of its HTTPS, or set insecure: true.")
        if unreachable(answer):
            plan.context.warn("%s does not answer this node, so no pull could be tried: %s" % (address, answer[-200:]))


def unreachable(answer):
    signs = ("no such host", "connection refused", "no route to host", "i/o timeout", "no answer in time",
             "deadline exceeded", "Client.Timeout", "network is unreachable", "server misbehaving")
    return any(sign in answer for sign in signs)


def as_problem(error):
    if isinstance(error, NodeError):
        return error
    return NodeError("change", "%s: %s" % (type(error).__name__, error), "See the engine's journal and the disk, then run again.")
