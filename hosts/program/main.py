"""One run on one node: reads the settings, works on every engine, prints one line of JSON, or one message."""
import json
import os
import signal
import sys
import traceback

import files
import host
import ledger
from problem import Context, Problem

LIMIT = 240
# Seconds by which a clock may be behind a CA that was just made.
TOLERANCE = 300


def main(action, settings):
    """Exit status 0 with a report on stdout, or 1 with a message of three parts on stderr."""
    shield()
    context = Context(settings["node"], settings["holder"], settings.get("allowRestart", False), action == "probe")
    try:
        report = act(action, settings, context)
    except Problem as problem:
        tell(sys.stderr, problem.text(context.node))
        return 1
    except Exception:
        tell(sys.stderr, unexpected().text(context.node))
        return 1
    if action == "remove":
        for warning in context.warnings:
            tell(sys.stderr, "warning: " + warning)
    if not tell(sys.stdout, json.dumps(report, sort_keys=True)) and action == "apply" and context.first:
        return unheard(settings, context)
    return 0


def unheard(settings, context):
    """Whoever asked for this owner's first apply is gone, and so has no record of it: no destroy would ever come here."""
    signal.alarm(LIMIT)
    try:
        act("remove", settings, context)
    except Exception:
        tell(sys.stderr, traceback.format_exc())
    return 1


def unexpected():
    """A fault of this program, for its authors; what the run had begun, the next one completes."""
    fault = traceback.format_exc().strip().splitlines()
    return Problem("unexpected", "; ".join(fault[-3:]), "Please report this message, and run again.",
                   "Whole files only; what was begun, the next run completes or takes back.")


def shield():
    """A connection that breaks must not stop a change half-way; a run that takes too long must put things back."""
    os.umask(0o022)
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, too_long)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)


def too_long(*_):
    signal.alarm(0)
    raise Problem("time", "no end after %d s" % LIMIT, "See what is slow on the node, then run again.")


def act(action, settings, context):
    facts = host.preflight()
    for warning in host.preflight_warnings(facts):
        context.warn(warning)
    want = settings["registries"] if action != "remove" else []
    check_authorities(want, facts)
    if os.geteuid() != 0:
        raise Problem("root", "the run is not root", "Give a user with sudo, or its sudo password.")
    if context.dry:
        reports = duties(settings, want, context)
    else:
        with ledger.Lock():
            files.sweep(ledger.HOME)
            reports = duties(settings, want, context)
    return {"node": context.node, "facts": facts, "engines": reports, "warnings": context.warnings}


def duties(settings, want, context):
    """Every engine that the node has, or every one that was named; none at all is an error. Where one fails, those
    before it go back to what this owner had, so that a node is changed as a whole or not at all."""
    named = settings.get("engines") or []
    works = found_works(settings, want, context)
    check_found(works, named, want, settings, context)
    if context.dry:
        return [work(want) for work in works]
    past = ledger.Wish(context.owner)
    context.first = past.stored is None
    reports = []
    past.starts(want)
    for place, work in enumerate(works):
        try:
            reports.append(work(want))
        except Exception as error:
            raise taken_back(error if isinstance(error, Problem) else unexpected(), works[:place], past)
    leave_the_gone(named, context)
    past.becomes(want)
    return reports


def leave_the_gone(named, context):
    """Takes what is ours out of files whose engine has been removed, or reads another file by now."""
    import docker
    import engine
    if not wanted("docker", named):
        return
    known = [one.config for one in engine.find()]
    for path in ledger.paths("docker"):
        if path not in known:
            docker.reconcile(engine.Gone(path), [], context)


def taken_back(problem, works, past):
    """The problem, with what became of the engines that had been changed before it came up."""
    try:
        for work in reversed(works):
            work(past.registries)
        past.becomes(past.registries)
    except Exception as another:
        problem.restored += " The engines before it could NOT be put back (%s)." % another
        return problem
    if works:
        problem.restored += " The node's other engines are as they were."
    return problem


def found_works(settings, want, context):
    """For each engine of the node, what takes a list of registries and returns a report."""
    import certsd
    import docker
    import engine
    named = settings.get("engines") or []
    engines = engine.find() if wanted("docker", named) else []
    if not engines and settings.get("installDocker") and want and wanted("docker", named):
        import install
        install.docker(settings["installDocker"], context)
        engines = engine.find()
    places = [certsd.microk8s() if wanted("microk8s", named) else None,
              certsd.containerd("containerd" in named, context) if wanted("containerd", named) else None]
    works = [Work("docker", docker.reconcile, one, context) for one in engines]
    works += [Work(place.engine, certsd.reconcile, place, context) for place in places if place is not None]
    return works + restarters(named, context)


class Work:
    """One duty for one engine."""

    def __init__(self, name, duty, engine, context):
        self.name = name
        self.duty = duty
        self.engine = engine
        self.context = context

    def __call__(self, want):
        return self.duty(self.engine, want, self.context)


def restarters(named, context):
    """Engines that read their settings only when they start."""
    import buildkit
    import k3s
    import marked
    found = [k3s.find() if wanted("k3s", named) else None,
             buildkit.find("buildkit" in named) if wanted("buildkit", named) else None]
    return [Work(one.engine, marked.reconcile, one, context) for one in found if one is not None]


def wanted(name, named):
    return not named or name in named


def check_found(works, named, want, settings, context):
    if context.dry and settings.get("installDocker"):
        return
    missing = [name for name in named if name not in [work.name for work in works]]
    if missing and want:
        raise Problem("engine", "the node has no %s" % ", no ".join(missing), "Install it%s, or correct `engines`."
                      % (" (installDocker does)" if missing == ["docker"] else ""))
    if not works and want:
        fix = "Install one, or set installDocker." if not settings.get("installDocker") else "Look at the installation."
        raise Problem("engine", "the node has no container engine (Docker, containerd, microk8s, k3s)", fix)


def check_authorities(want, facts):
    """The controller has looked at the certificates; what only the node knows is its clock."""
    import time
    now = time.time()
    for entry in want:
        if "PRIVATE KEY" in entry.get("ca", ""):
            raise Problem("preflight", "the ca of %s holds a private key" % entry["address"], "Give the certificate only.")
        if entry.get("begins") and now < entry["begins"] - TOLERANCE:
            raise Problem("preflight", "the CA of %s is valid from %s on; the node's clock says %s"
                          % (entry["address"], day(entry["begins"]), facts["clock"]),
                          "Set the node's clock (timedatectl; a Pi has none of its own), or give a CA that is valid already.")
        if entry.get("expires") and now > entry["expires"]:
            raise Problem("preflight", "the CA of %s expired on %s; the node's clock says %s"
                          % (entry["address"], day(entry["expires"]), facts["clock"]),
                          "Give a valid CA, or set the node's clock.")


def day(seconds):
    import time
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def tell(stream, text):
    """False when whoever asked is gone; the work is done all the same."""
    try:
        stream.write(text + "\n")
        stream.flush()
        return True
    except OSError:
        return False
