"""One run on one host, whatever its duty: signals, time limit, root, the lock, and one line of JSON or one message."""
import json
import os
import signal
import sys
import traceback

import files
import host
import ledger
from nodeerror import Context, NodeError

LIMIT = 240


def run(action, settings, duty, home=None, wait=ledger.WAIT):
    """Runs `duty(action, settings, context, facts)`, which returns parts of the report; `apply` brings the settings about,
    `remove` takes back all of the owner's, `probe` only looks. Exit status 0 with a report on stdout, or 1 with a message
    of three parts on stderr. `home` is where the duty's ledger is, by default registry trust's; `wait`
    is how long another run on this host is waited for, in seconds."""
    context = Context(settings["node"], settings["owner"], settings.get("allowRestart", False), action == "probe")
    return told(settings, lambda: act(action, settings, context, duty, ledger.Lock(home or ledger.HOME, wait)))


def told(settings, work):
    """Does something within its time; what goes wrong is told in three parts."""
    shield(settings.get("limit", LIMIT))
    try:
        return work()
    except NodeError as error:
        tell(sys.stderr, error.text(settings["node"]))
        return 1
    except Exception:
        tell(sys.stderr, unexpected().text(settings["node"]))
        return 1


def check_root():
    if os.geteuid() != 0:
        raise NodeError("root", "the run is not root", "Give a user with sudo, or its sudo password.")


def act(action, settings, context, duty, lock):
    facts = host.preflight()
    for warning in host.preflight_warnings(facts):
        context.warn(warning)
    check_root()
    if context.dry:
        heard(action, duty(action, settings, context, facts), context, facts)
        return 0
    # What nobody hears of is taken back in the same turn: a second run would find it done, and then lose it.
    with lock:
        files.sweep(lock.home)
        report = duty(action, settings, context, facts)
        if heard(action, report, context, facts) or action != "apply" or not context.first:
            return 0
        return unheard(settings, context, facts, duty)


def heard(action, report, context, facts):
    """Tells the report; False when whoever asked is gone."""
    if action == "remove":
        for warning in context.warnings:
            tell(sys.stderr, "warning: " + warning)
    return tell(sys.stdout, json.dumps(dict(report, node=context.node, facts=facts, warnings=context.warnings), sort_keys=True))


def unheard(settings, context, facts, duty):
    """Whoever asked for this owner's first apply has no record of it: no destroy would ever come here."""
    signal.alarm(settings.get("limit", LIMIT))
    try:
        duty("remove", settings, context, facts)
    except Exception:
        tell(sys.stderr, traceback.format_exc())
    return 1


def unexpected():
    """A fault of this program, for its authors; what the run had begun, the next one completes."""
    fault = traceback.format_exc().strip().splitlines()
    return NodeError("unexpected", "; ".join(fault[-3:]), "Please report this message, and run again.",
                     "Whole files only; what was begun, the next run completes or takes back.")


def shield(limit=LIMIT):
    """A connection that breaks must not stop a change half-way; a run that takes too long must put things back."""
    os.umask(0o022)
    os.chdir("/")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def too_long(*_):
        signal.alarm(0)
        raise NodeError("time", "no end after %d s" % limit, "See what is slow on the node, then run again.")
    signal.signal(signal.SIGTERM, too_long)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(limit)


def tell(stream, text):
    """False when whoever asked is gone; the work is done all the same."""
    try:
        stream.write(text + "\n")
        stream.flush()
        return True
    except OSError:
        return False
