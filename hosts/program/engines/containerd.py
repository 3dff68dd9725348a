"""containerd on its own, as kubelet uses it; one that only serves Docker is Docker's business."""
import re

import certsd
import host
import registry
from nodeerror import NodeError

CONFIG = "/etc/containerd/config.toml"
UNITS = ["containerd.service", "kubelet.service"]


def find(named, context):
    """The folder that its settings name; none where they name none, which matters to a kubelet."""
    known = host.units(UNITS)
    unit = known["containerd.service"]
    if not unit.present:
        return []
    _, version = host.run(["containerd", "--version"])
    folder = config_path(unit)
    if folder is None and (named or known["kubelet.service"].loaded):
        text = "containerd reads no certs.d folder: config_path is not set in its settings (%s)" % CONFIG
        fix = 'Set config_path = "/etc/containerd/certs.d" in its registry section and restart containerd.'
        if named:
            raise NodeError("containerd", text, fix)
        context.warn("%s, so its pulls do not know these registries. %s" % (text, fix))
    return [] if folder is None else [certsd.Place("containerd", unit, folder, (version.split() + ["?"] * 3)[2])]


def config_path(unit):
    """The folder that the settings name; both 1.x and 2.x call it config_path, in a registry section."""
    words = host.command_line(unit.pid) or host.planned_command_line(unit)
    given = host.flag(words, "config", "c")
    status, output = host.run(["containerd"] + (["--config", given[-1]] if given else []) + ["config", "dump"])
    return None if status != 0 else path_in(output)


def path_in(text):
    """The first config_path of a registry section in containerd's settings."""
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        found = re.match(r"config_path\s*=\s*[\"']([^\"']+)[\"']", line)
        if found and section.rstrip("]").endswith("registry"):
            return found.group(1).split(":")[0]
    return None


registry.add("containerd", UNITS, find, certsd.reconcile, lambda config: certsd.Place("containerd", None, config, "gone"))
