"""Installs Docker where the node has none and the stack asks for it. It stays when the stack goes.

The package manager runs as a service of its own, for a connection that breaks or a run that takes too long must not
stop it half-way: that would leave the node with a broken package.
"""
import host
from nodeerror import NodeError

UNIT = "pi-runners-install-docker.service"
PATIENCE = 200
# Nothing is removed for it: on a node with Docker's own containerd.io, Debian's package would take that away.
APT_GET = ("apt-get -q -y -o DPkg::Lock::Timeout=120 --no-remove -o Dpkg::Options::=--force-confdef "
           "-o Dpkg::Options::=--force-confold --no-install-recommends install ")
# Debian 13 keeps the command `docker` in a package of its own, which docker.io only recommends.
APT = ("apt-get -q -o DPkg::Lock::Timeout=120 update && " + APT_GET + "docker.io && "
       "{ command -v docker >/dev/null || exec " + APT_GET + "docker-cli; }")
SNAP = "exec snap install docker"


def docker(how, context):
    """By Debian's or Ubuntu's package, or as a snap."""
    keep_forwarding(context)
    if context.dry:
        context.warn("Docker would be installed (%s)." % how)
        return
    program = {"apt": "apt-get", "snap": "snap"}[how]
    if not host.has(program):
        other = {"apt": "snap", "snap": "apt"}[how]
        raise NodeError("install", "the node has no %s" % program, "Install Docker yourself, or set installDocker: %s." % other)
    if host.units_now([UNIT])[UNIT].state in ("active", "activating"):
        raise going_on("an installation of Docker that was begun before is still going on")
    status, output = host.run(
        ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--unit", UNIT, "--setenv=DEBIAN_FRONTEND=noninteractive",
         "--setenv=LC_ALL=C", "sh", "-c", APT if how == "apt" else SNAP], PATIENCE)
    if status == 124:
        raise going_on("installing Docker takes more than %d s" % PATIENCE)
    if status != 0:
        raise NodeError("install", "Docker could not be installed (%s): %s" % (how, output[-1500:]),
                        "Fix that, or install Docker yourself, then run again.")
    host.first_look.clear()
    context.warn("Docker was installed (%s), as asked; it stays when this stack goes." % how)


def going_on(what):
    return NodeError("install", what, "Wait until `systemctl status %s` finds no such unit, then run again." % UNIT,
                     "The installation goes on by itself; nothing else was changed.")


def keep_forwarding(context):
    """Docker drops forwarded packets where it was Docker that turned forwarding on; pods then lose their network."""
    if host.first_line("/proc/sys/net/ipv4/ip_forward") != "1":
        context.warn("Packet forwarding was off, so Docker will set the FORWARD policy to DROP: on a node of a cluster "
                     "set net.ipv4.ip_forward=1 in /etc/sysctl.d first.")
