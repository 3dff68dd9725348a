"""Registry trust on one node: finds its engines, and makes each trust what the stack wants, all of them or none."""
import copy
import time

import install
import ledger
import main as core
import registry
from nodeerror import NodeError

# Seconds by which a clock may be behind a CA that was just made.
TOLERANCE = 300


def main(action, settings):
    return core.run(action, settings, duty)


def duty(action, settings, context, facts):
    """The report's part on engines. Where one engine fails, those before it go back to what this owner had."""
    want = settings["registries"] if action != "remove" else []
    check_authorities(want, facts)
    works = found_works(settings, want, context)
    check_found(works, settings, want, context)
    if context.dry:
        return {"engines": [work() for work in works if work.shown]}
    works = rehearsed(works, context)
    past = ledger.Desired(context.owner)
    context.first = past.stored is None
    past.starts(want)
    reports = []
    for place, work in enumerate(works):
        try:
            reports.append(work())
        except Exception as error:
            raise taken_back(error if isinstance(error, NodeError) else core.unexpected(), works[:place], past)
    past.becomes(want)
    return {"engines": [report for work, report in zip(works, reports) if work.shown]}


class Work:
    """What one run does at one place: `want` is what the owner wants there."""

    def __init__(self, listed, place, want, context, had, shown=True):
        self.listed = listed
        self.place = place
        self.want = want
        self.context = context
        self.had = had
        self.shown = shown

    def __call__(self):
        return self.listed.reconcile(self.place, self.want, self.context)

    def rehearse(self, context):
        self.listed.reconcile(self.place, self.want, context)

    def take_back(self, registries):
        self.listed.reconcile(self.place, registries if self.had else [], self.context)


def rehearsed(works, context):
    """The engines to work on. Each looks first whether it could do its part, so that one which cannot stops the run
    before another one is touched, unless the owner neither has nor wants anything there."""
    look = copy.copy(context)
    look.dry, look.strict, look.warnings = True, True, []
    able = []
    for work in works:
        try:
            work.rehearse(look)
            able.append(work)
        except NodeError as error:
            # "preflight" says that there is something to take back all the same: the ledger was lost. "ledger" says that
            # nobody can tell.
            if work.want or work.had or error.step in ("preflight", "ledger"):
                raise
            left_out(error, context)
    return able


def left_out(error, context):
    context.warn("An engine is left as it is, as nothing is noted of this stack there: %s" % error)


def found_works(settings, want, context):
    """The engines that are to trust something; then those that are not any more, as they left the stack's list, the
    stack goes, or the engine itself is gone."""
    named = settings.get("engines") or []
    works, leaving, gone = [], [], []
    for listed in registry.ENGINES:
        asked = bool(want) and (not named or listed.name in named)
        held = held_paths(listed.name, context.owner)
        if not (asked or held or not want):
            continue
        try:
            places = listed.find(asked and listed.name in named, context)
        except NodeError as error:
            if asked or held:
                raise
            places = left_out(error, context) or []
        if asked and not places and listed.name == "docker" and settings.get("installDocker"):
            install.docker(settings["installDocker"], context)
            places = listed.find(False, context)
        for place in places:
            had = place.config in held
            (works if asked or not want else leaving).append(Work(listed, place, want if asked else [], context, had))
        known = [place.config for place in places]
        gone += [Work(listed, listed.gone(path), [], context, False, False) for path in held if path not in known]
    return works + [work for work in leaving if work.had] + gone


def held_paths(name, owner):
    """Files and folders of a kind of engine in which this owner has something, or that nobody owns any more."""
    records = [ledger.Record(one, "") for one in ledger.records() if one.startswith(name + "-")]
    return [record.data["path"] for record in records if owner in record.data["owners"] or not record.data["owners"]]


def check_found(works, settings, want, context):
    if context.dry and settings.get("installDocker"):
        return
    named = settings.get("engines") or []
    found = [work.listed.name for work in works if work.want]
    missing = [name for name in named if name not in found]
    if missing and want:
        raise NodeError("engine", "the node has no %s" % ", no ".join(missing), "Install it%s, or correct `engines`."
                        % (" (installDocker does)" if missing == ["docker"] else ""))
    if not found and want:
        fix = "Install one, or set installDocker." if not settings.get("installDocker") else "Look at the installation."
        names = ", ".join(listed.name for listed in registry.ENGINES)
        raise NodeError("engine", "the node has no container engine (%s)" % names, fix)


def taken_back(error, works, past):
    """The error, with what became of the engines that had been changed before it came up."""
    try:
        for work in reversed(works):
            work.take_back(past.registries)
        past.becomes(past.registries)
    except Exception as another:
        error.restored += " The engines before it could NOT be put back (%s)." % another
        return error
    if works:
        error.restored += " The node's other engines are as they were."
    return error


def check_authorities(want, facts):
    """The controller has looked at the certificates; what only the node knows is its clock."""
    now = time.time()
    for entry in want:
        if "PRIVATE KEY" in entry.get("ca", ""):
            raise NodeError("preflight", "the ca of %s holds a private key" % entry["address"], "Give the certificate only.")
        if entry.get("begins") and now < entry["begins"] - TOLERANCE:
            raise NodeError("preflight", "the CA of %s is valid from %s on; the node's clock says %s"
                            % (entry["address"], day(entry["begins"]), facts["clock"]),
                            "Set the node's clock (timedatectl; a Pi has none of its own), or give a CA that is valid already.")
        if entry.get("expires") and now > entry["expires"]:
            raise NodeError("preflight", "the CA of %s expired on %s; the node's clock says %s"
                            % (entry["address"], day(entry["expires"]), facts["clock"]),
                            "Give a valid CA, or set the node's clock.")


def day(seconds):
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
