"""The host's package manager. It runs as a service of its own, for a connection that breaks or a run that takes too long
must not stop it half-way: that would leave the host with a broken package."""
import host
from nodeerror import NodeError

PATIENCE = 200
# Nothing is removed for what is installed: on a node with Docker's own containerd.io, Debian's package would take that away.
APT_GET = ("apt-get -q -y -o DPkg::Lock::Timeout=120 --no-remove -o Dpkg::Options::=--force-confdef "
           "-o Dpkg::Options::=--force-confold --no-install-recommends ")
UPDATE = "apt-get -q -o DPkg::Lock::Timeout=120 update && "


def unit_of(doing, what):
    """No runner has such a name: components/runners/shell/errors.ts."""
    return "pi-runners-%s-%s.service" % (doing, what.lower())


def manage(what, script, doing="install", patience=PATIENCE):
    """Runs a script of the package manager to its end. `what` is a word that says what it is about."""
    unit = unit_of(doing, what)
    for one in {unit, unit_of("install", what)}:
        if host.units_now([one])[one].state in ("active", "activating"):
            raise going_on("the package manager has not yet finished what was begun before (%s)" % one, one)
    status, output = host.run(
        ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--unit", unit, "--setenv=DEBIAN_FRONTEND=noninteractive",
         "--setenv=LC_ALL=C", "sh", "-c", script], patience)
    if status == 124:
        raise going_on("the package manager takes more than %d s (%s of %s)" % (patience, doing, what), unit)
    if status != 0:
        past = {"install": "installed", "remove": "removed"}[doing]
        raise NodeError(doing, "%s could not be %s: %s" % (what, past, output[-1500:]),
                        "Fix that, or %s %s yourself, then run again." % (doing, what))
    host.first_look.clear()


def apt_get(what, words, patience=PATIENCE):
    """Installs by apt-get; its lists may be old, so they are fetched first."""
    manage(what, UPDATE + "exec " + APT_GET + words, patience=patience)


def update(what):
    """Fetches apt's lists."""
    manage(what, UPDATE + "true")


def apt_purge(name):
    manage(name, "exec apt-get -q -y -o DPkg::Lock::Timeout=120 purge " + name, "remove")


def going_on(what, unit):
    return NodeError("install", what, "Wait until `systemctl status %s` finds no such unit, then run again." % unit,
                     "The package manager goes on by itself; nothing else was changed.")
