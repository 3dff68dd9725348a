"""Installs Docker where the node has no engine and the stack asks for it. It stays when the stack goes."""
import os

import host
from problem import Problem


def docker(how, context):
    """By Debian's or Ubuntu's package, or as a snap."""
    keep_forwarding(context)
    if how == "snap":
        if not host.has("snap"):
            raise Problem("install", "snap is missing", "Install snapd, or set installDocker: apt.")
        host.run(["snap", "install", "docker"], 200, check="install")
    else:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        host.run(["apt-get", "-q", "update"], 100, check="install")
        host.run(["apt-get", "-q", "-y", "--no-install-recommends", "install", "docker.io"], 200, check="install")
    host.first_look.clear()
    context.warn("Docker was installed (%s), as asked; it stays when this stack goes." % how)


def keep_forwarding(context):
    """Docker drops forwarded packets where it was Docker that turned forwarding on; pods then lose their network."""
    if host.first_line("/proc/sys/net/ipv4/ip_forward") != "1":
        context.warn("Packet forwarding was off, so Docker will set the FORWARD policy to DROP: on a node of a cluster "
                     "set net.ipv4.ip_forward=1 in /etc/sysctl.d first.")
