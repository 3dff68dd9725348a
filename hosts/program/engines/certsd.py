"""containerd's trust in registries: one hosts.toml for each, read at every pull, so nothing is reloaded.

Used for microk8s and for containerd on its own. A hosts.toml switches off the *.crt files of its directory, so one
that somebody else wrote is never changed: either it says what is wanted already, or the run stops.
"""
import copy
import hashlib
import os
import re

import files
import host
import ledger
from problem import Problem

MICROK8S = "/var/snap/microk8s/current/args/certs.d"
NOTE = "# Written by pi-runners (RegistryTrust); it goes with the last stack that wants it.\n"


class Place:
    """A folder in which a containerd looks for hosts.toml."""

    def __init__(self, engine, unit, folder, version):
        self.engine = engine
        self.unit = unit
        self.folder = folder
        self.version = version


def microk8s():
    """microk8s 1.23 and later: the folder is always there and always read."""
    if not os.path.isdir(os.path.dirname(MICROK8S)):
        return None
    unit = host.units(["snap.microk8s.daemon-containerd.service"])["snap.microk8s.daemon-containerd.service"]
    return Place("microk8s", unit, MICROK8S, snap_version("microk8s"))


def containerd(named, context):
    """containerd on its own, as kubelet uses it; one that only serves Docker is Docker's business."""
    known = host.units(["containerd.service", "kubelet.service"])
    unit = known["containerd.service"]
    if not unit.loaded:
        return None
    _, version = host.run(["containerd", "--version"])
    folder = config_path()
    if folder is None and (named or known["kubelet.service"].loaded):
        text = "containerd reads no certs.d folder: config_path is not set in /etc/containerd/config.toml"
        fix = 'Set config_path = "/etc/containerd/certs.d" in its registry section and restart containerd.'
        if named:
            raise Problem("containerd", text, fix)
        context.warn("%s, so its pulls do not know these registries. %s" % (text, fix))
    return None if folder is None else Place("containerd", unit, folder, (version.split() + ["?"] * 3)[2])


def config_path():
    """The folder that the running settings name; both 1.x and 2.x call it config_path, in a registry section."""
    status, output = host.run(["containerd", "config", "dump"])
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


def snap_version(name):
    return os.path.basename(os.path.realpath("/snap/%s/current" % name)) or "?"


def reconcile(place, want, context):
    """Writes what the owner wants, removes what nobody wants any more, leaves alone what others wrote."""
    record = ledger.Record("%s-%s" % (place.engine, hashlib.sha256(place.folder.encode()).hexdigest()[:12]), place.folder)
    wanted = contents(place, want, context)
    held = {path for name, owner in record.data["owners"].items() if name != context.owner for path in owner["files"]}
    write, drop = plan(record, wanted, held)
    if context.dry:
        return report(place, want, "none", ["+ %s" % path for path in write] + ["- %s" % path for path in drop])
    for path in write:
        files.check_writable(path, "preflight")
    saved = copy.deepcopy(record.data)
    keep = set(record.owner(context.owner)["files"])
    for path in write:
        record.will_make(os.path.dirname(path))
        note = record.data["files"].setdefault(path, {})
        note["sha256"] = ledger.digest(wanted[path])
    record.claim(context.owner, [], keep | set(wanted))
    record.save()
    written = []
    try:
        for path in write:
            written.append((path, put(path, wanted[path])))
    except (Problem, files.Moved, OSError) as error:
        for path, before in written:
            give_back(path, before)
        record.tidy()
        record.data = saved
        record.save()
        if isinstance(error, Problem):
            raise
        raise Problem("write", str(error) or "%s changed while it was edited" % place.folder, "Run again.")
    for path in drop:
        remove(record, path, context)
    record.claim(context.owner, [], set(wanted))
    if drop:
        record.tidy()
    record.save()
    return report(place, want, "files" if write or drop else "none")


def plan(record, wanted, held):
    """Files to write, and files of ours that nobody wants any more. A file of somebody else that says enough is left."""
    write = []
    for path, data in sorted(wanted.items()):
        there = files.read(path)
        if there == data:
            continue
        if there is not None and path not in record.data["files"]:
            if says_enough(there.decode("utf-8", "replace"), data.decode("utf-8")):
                continue
            raise Problem("read", "%s was written by somebody else and says something else" % path,
                          "Put this into it, or remove it: %s" % " ; ".join(data.decode("utf-8").splitlines()[1:]))
        if there is not None and path in held and ledger.digest(there) == record.data["files"][path]["sha256"]:
            raise Problem("read", "another stack wants %s otherwise" % path, "Give both stacks the same registry settings.")
        write.append(path)
    return write, [path for path in sorted(record.data["files"]) if path not in held and path not in wanted]


def says_enough(there, data):
    """Are all lines of ours in theirs, spaces aside?"""
    lines = {re.sub(r"\s+", "", line) for line in there.splitlines()}
    return all(re.sub(r"\s+", "", line) in lines for line in data.splitlines() if line and not line.startswith("#"))


def contents(place, want, context):
    """Path to bytes of every file that the wish needs."""
    wanted = {}
    for entry in want:
        address = entry["address"]
        if "/" in address:
            context.warn("%s is a network, which only Docker can trust; %s does not." % (address, place.engine))
            continue
        folder = os.path.join(place.folder, address)
        if entry.get("ca"):
            name = "pi-runners-%s.crt" % hashlib.sha256(entry["ca"].encode("utf-8")).hexdigest()[:16]
            wanted[os.path.join(folder, name)] = entry["ca"].encode("utf-8")
            wanted[os.path.join(folder, "hosts.toml")] = toml_ca(address, os.path.join(folder, name)).encode("utf-8")
        elif entry.get("insecure"):
            wanted[os.path.join(folder, "hosts.toml")] = toml_insecure(address).encode("utf-8")
    return wanted


def toml_insecure(address):
    """As Docker means insecure: HTTPS without verification, then HTTP."""
    return NOTE + (
        'server = "http://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n\n'
        '[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' % (address, address, address))


def toml_ca(address, path):
    return NOTE + ('server = "https://%s"\n\n[host."https://%s"]\n  capabilities = ["pull", "resolve"]\n  ca = "%s"\n'
                   % (address, address, path))


def put(path, data):
    """Writes one file; what was there before."""
    directory = os.path.dirname(path)
    files.make_directories(files.missing_directories(directory))
    files.sweep(directory)
    seen = files.look(path, "write")
    files.replace(seen, data, "write")
    return seen.data


def give_back(path, before):
    seen = files.look(path, "put back")
    if before is None:
        files.delete(seen, "put back")
    else:
        files.replace(seen, before, "put back")


def remove(record, path, context):
    note = record.data["files"].pop(path)
    seen = files.look(path, "remove")
    if seen.data is not None and ledger.digest(seen.data) != note["sha256"]:
        context.warn("%s was changed by hand, so it stays." % path)
        return
    files.delete(seen, "remove")


def report(place, want, how, differs=None):
    trusted = sorted(entry["address"] for entry in want if "/" not in entry["address"])
    done = {"engine": place.engine, "unit": place.unit.name, "config": place.folder, "how": how,
            "version": place.version, "trusted": trusted}
    return done if differs is None else dict(done, differs=differs)
