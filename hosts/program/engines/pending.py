"""Edits of others that wait in daemon.json: a reload applies them too, so the dangerous ones stop it beforehand."""
import json

import engine as engines
import host
from nodeerror import NodeError

STEP = "pending edits"
SHOWN = {"debug": "Debug", "live-restore": "LiveRestoreEnabled", "labels": "Labels", "default-runtime": "DefaultRuntime"}
FORGETFUL = ((23, 0, 0), (23, 0, 1), (23, 0, 2), (23, 0, 3), (23, 0, 4), (23, 0, 5), (23, 0, 6), (24, 0, 0))


def check(document, info, context, path):
    """Warns of settings that the engine does not have yet; refuses those that could end it."""
    settings = document.value()
    check_plugins(settings, info, path)
    check_runtimes(settings, info, path)
    waiting = [key for key, shown in SHOWN.items() if key in settings and not same(settings[key], info.get(shown))]
    mirrors = (info.get("RegistryConfig") or {}).get("Mirrors") or []
    if "registry-mirrors" in settings and plain(settings["registry-mirrors"]) != plain(mirrors):
        waiting.append("registry-mirrors")
    if waiting:
        context.warn("%s holds settings that the running engine did not have (%s); the reload applied them too."
                     % (path, ", ".join(sorted(waiting))))


def check_plugins(settings, info, path):
    """An authorization plugin that does not answer ends the daemon about 17 s after a reload (seen with 20.10)."""
    wanted = settings.get("authorization-plugins")
    running = (info.get("Plugins") or {}).get("Authorization") or []
    if wanted is not None and wanted != running:
        raise NodeError(STEP, "%s holds authorization-plugins %s, which the running engine does not use; a reload could "
                        "end it" % (path, json.dumps(wanted)),
                        "Take them out, or restart Docker yourself when containers may stop; then run again.")


def check_runtimes(settings, info, path):
    default = settings.get("default-runtime")
    runtimes = settings.get("runtimes")
    known = set(info.get("Runtimes") or {}) | set(runtimes if isinstance(runtimes, dict) else {})
    if default is not None and default not in known:
        raise NodeError(STEP, "%s names default-runtime %s, which is not defined" % (path, json.dumps(default)),
                        "Define it under runtimes, or take it out; then run again.")


def check_version(document, info, restart_allowed):
    """May the engine be reloaded? 23.0.0 to 23.0.6 and 24.0.0 forget all insecure registries at a reload when mirrors
    are set too, so only a restart helps there."""
    mirrored = document is not None and document.find("registry-mirrors") is not None
    safe = engines.version(info) not in FORGETFUL or not mirrored
    if not safe and not restart_allowed:
        raise NodeError(STEP, "Docker %s forgets insecure registries at a reload when registry-mirrors is set"
                        % info.get("ServerVersion"), "Upgrade Docker, or set allowRestart: true.")
    return safe


def check_flags(words):
    """A setting given both as a flag and in the file is fatal at the daemon's next start."""
    if host.flag(words, "insecure-registry"):
        raise NodeError("flags", "the daemon is started with --insecure-registry; the same setting in its file would keep "
                        "it from starting again", "Move the flag's values from the service into the file.")


def same(setting, shown):
    if isinstance(setting, list):
        return sorted(map(str, setting)) == sorted(map(str, shown or []))
    return setting == shown


def plain(mirrors):
    return sorted(str(mirror).rstrip("/") for mirror in mirrors)
