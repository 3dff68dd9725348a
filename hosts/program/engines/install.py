"""Installs Docker where the node has none and the stack asks for it. It stays when the stack goes."""
import host
import packages
from nodeerror import NodeError

# Debian 13 keeps the command `docker` in a package of its own, which docker.io only recommends.
APT = (packages.UPDATE + packages.APT_GET + "install docker.io && "
       "{ command -v docker >/dev/null || exec " + packages.APT_GET + "install docker-cli; }")
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
    packages.manage("Docker", APT if how == "apt" else SNAP)
    context.warn("Docker was installed (%s), as asked; it stays when this stack goes." % how)


def keep_forwarding(context):
    """Docker drops forwarded packets where it was Docker that turned forwarding on; pods then lose their network."""
    if host.first_line("/proc/sys/net/ipv4/ip_forward") != "1":
        context.warn("Packet forwarding was off, so Docker will set the FORWARD policy to DROP: on a node of a cluster "
                     "set net.ipv4.ip_forward=1 in /etc/sysctl.d first.")
