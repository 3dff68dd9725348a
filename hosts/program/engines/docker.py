"""Docker's trust in registries: entries in daemon.json for insecure ones, files in certs.d for those with a CA.

docker_plan.py decides, docker_check.py refuses, docker_apply.py does and proves, docker_rollback.py takes back.
"""
import os
import time

import docker_apply
import docker_check
import engine as engines
import files
import registry
from docker_plan import Plan, listed
from nodeerror import NodeError


def reconcile(engine, want, context):
    """Makes the engine trust just what the owner wants and what others have; says what was done."""
    for attempt in range(5):
        try:
            return reconcile_once(engine, want, context)
        except files.MovedError:
            time.sleep(0.2 * (attempt + 1))
    raise NodeError("write", "%s keeps changing while it is edited" % engine.config, "Find out who writes it; run again.")


def reconcile_once(engine, want, context):
    plan = Plan(engine, want, context, ask(engine) if engine.unit.active else None)
    if context.dry:
        if context.strict and not plan.idle:
            docker_check.check(plan)
        # Not what was done, as nothing was: what a run would do.
        return report(plan, "reload" if plan.stale else "none" if plan.idle else "files", plan.differences())
    files.sweep(os.path.dirname(plan.seen.real))
    if plan.idle:
        docker_apply.prove_authorities(plan)
        docker_apply.settle(plan)
        return report(plan, "none")
    reload_first = docker_check.check(plan)
    how = docker_apply.Change(plan, reload_first).run()
    return report(plan, how)


def ask(engine):
    try:
        return engine.info()
    except engines.SilentError as error:
        raise NodeError("ask the engine", "%s is running but does not answer: %s" % (engine.unit.name, error),
                        "See `journalctl -u %s`, and `hosts` in %s." % (engine.unit.name, engine.config))


def report(plan, how, differs=None):
    """One engine's part of the report."""
    if differs is None:
        hints(plan, how)
    told = {"engine": "docker", "unit": plan.engine.unit.name, "config": plan.engine.config, "how": how,
            "version": (plan.info or {}).get("ServerVersion", "stopped"),
            "trusted": sorted({one["address"] for one in plan.want if one.get("insecure") or one.get("ca")})}
    return told if differs is None else dict(told, differs=differs)


def hints(plan, how):
    """What a user should know of builds, which no answer of the engine shows. Tried on 20.10, 26.1, 28.5 and 29."""
    if plan.info is None or not plan.want:
        return
    version, words = engines.version(plan.info), plan.info.get("ServerVersion")
    if how != "none":
        hint_of_builds(plan, how, version, words)
    by_hand = listed(plan.final)
    plain = [one["address"] for one in plan.want if one.get("insecure") and "/" not in one["address"]]
    plain = sorted(address for address in plain if "http://" + address not in by_hand)
    if version < (23, 0, 0) and plain:
        plan.context.warn("BuildKit inside Docker %s does not take insecure-registries, not even by a restart: builds with "
                          "DOCKER_BUILDKIT=1 from or to %s need http://%s in that list, by your hand, and a restart. Pulls, "
                          "pushes and builds without BuildKit work." % (words, plain[0], plain[0]))
    driver = dict(pair for pair in plan.info.get("DriverStatus") or [] if len(pair) == 2).get("driver-type", "")
    if "snapshotter" in driver and version < (29, 5, 0):
        plan.context.warn("Docker %s with the containerd image store ignores this trust for token requests; 29.5.0 does "
                          "not." % words)


def hint_of_builds(plan, how, version, words):
    """What BuildKit inside Docker does not notice of a change."""
    if version >= (25, 0, 0):
        plan.context.warn("BuildKit inside Docker keeps what it knows of a registry, for each repository, for some minutes: "
                          "a build that failed before may go on failing for five minutes.")
    elif version >= (23, 0, 0):
        plan.context.warn("Whether BuildKit inside Docker %s learns of this without a restart has not been tried." % words)
    elif how != "restart" and any(one.get("ca") for one in plan.want):
        plan.context.warn("BuildKit inside Docker %s reads CAs only when Docker starts: builds with DOCKER_BUILDKIT=1 need "
                          "one restart, at a time of your choice." % words)


registry.add("docker", [engines.APT, engines.SNAP], lambda named, context: engines.find(), reconcile, engines.Gone)
