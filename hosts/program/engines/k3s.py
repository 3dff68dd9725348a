"""k3s' trust in registries: registries.yaml, which k3s reads only when it starts."""
import json
import os
import re

import host
import marked
import registry
import yamltext
from nodeerror import NodeError

CONFIG = "/etc/rancher/k3s/registries.yaml"
SETTINGS = "/etc/rancher/k3s/config.yaml"
FLAG = "private-registry"
# What k3s takes; it ends at its start where a value has another shape, and passes over keys that it does not know.
KEYS = {"mirrors": {"*": {"endpoint": [""], "rewrite": {"*": ""}}},
        "configs": {"*": {"auth": {"username": "", "password": "", "auth": "", "identity_token": ""},
                          "tls": {"ca_file": "", "cert_file": "", "key_file": "", "insecure_skip_verify": ""}}}}


class K3s(marked.Dialect):
    """Mirrors and configs both: mirrors say over which scheme to go, configs (keyed by host) how to verify."""

    engine = "k3s"
    after = "restarting k3s leaves containers running"

    def read(self, text):
        return yamltext.read(text)

    def without(self, text):
        return yamltext.without(text)

    def read_block(self, block):
        return yamltext.read("%s:\n%s" % block)

    def refusal(self, document):
        return misfit(document, KEYS, "")

    def ours(self, desired):
        mirrors, configs = {}, {}
        for address, found in desired.items():
            insecure = found["insecure"]
            mirrors[address] = {"endpoint": ["https://" + address] + (["http://" + address] if insecure else [])}
            tls = {"insecure_skip_verify": "true"} if insecure else {"ca_file": self.ca_path(marked.bundle(found["cas"]))}
            configs[address] = {"tls": tls}
        return {"mirrors": mirrors, "configs": configs}

    def lines(self, section, address, value):
        if section == "mirrors":
            return ['"%s":' % address, "  endpoint:"] + ['    - "%s"' % one for one in value["endpoint"]]
        tls = value["tls"]
        return ['"%s":' % address, "  tls:", "    insecure_skip_verify: true" if "ca_file" not in tls
                else "    ca_file: %s" % json.dumps(tls["ca_file"])]

    def added(self, text, ours):
        return yamltext.with_entries(text, [
            (section, [line for address, value in sorted(ours[section].items())
                       for line in self.lines(section, address, value)]) for section in ("mirrors", "configs")])


def misfit(value, shape, where):
    """The first place where a value has another shape; "" where there is none. Nothing at all fits everywhere."""
    if value is None or value in ("null", "~"):
        return ""
    if not isinstance(value, type(shape)):
        return where or "the whole"
    inner = []
    if isinstance(value, dict):
        inner = [(key, one, shape.get(key, shape.get("*"))) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [(str(place), one, shape[0]) for place, one in enumerate(value, 1)]
    found = (misfit(one, kind, "%s > %s" % (where, key) if where else key) for key, one, kind in inner if kind is not None)
    return next(filter(None, found), "")


def find(named, context):
    """The k3s of this host, server or agent; none where there is none."""
    units = [unit for unit in host.units(["k3s.service", "k3s-agent.service"]).values() if unit.present]
    if not units:
        return []
    unit = ([one for one in units if one.active] or units)[0]
    _, version = host.run(["k3s", "--version"])
    return [K3s(unit, (version.split() + ["?"] * 3)[2], settings_file(unit))]


def settings_file(unit):
    """The file that --private-registry names: on the service's command line, which wins, else in k3s' own settings. The
    process cannot be asked, as k3s overwrites its command line to hide tokens."""
    words = host.planned_command_line(unit)
    environment = host.environment(unit.name)
    words = [re.sub(r"\$\{?(\w+)\}?", lambda found: environment.get(found.group(1), ""), word) for word in words]
    given = host.flag(words, FLAG)
    if not given:
        named = environment.get("K3S_CONFIG_FILE") or (host.flag(words, "config", "c") + [SETTINGS])[0]
        given = [value for path in [named] + drop_ins(named) for value in setting(path)]
    path = given[-1] if given else CONFIG
    if not os.path.isabs(path):
        raise NodeError("engine", "k3s is told to read its registries from %s, which is no absolute path" % path,
                        "Give --%s a path that begins with /, then run again." % FLAG)
    return path


def drop_ins(path):
    """Files that k3s reads after its settings file, in the order of their names."""
    folder = path + ".d"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.endswith((".yaml", ".yml"))]


def setting(path):
    """What a settings file of k3s says of it; a file that we cannot read is no matter unless it speaks of it."""
    text = "\n".join(host.read_lines(path))
    if FLAG not in text:
        return []
    try:
        value = yamltext.read(text).get(FLAG)
    except ValueError as error:
        raise NodeError("engine", "%s sets %s, but cannot be read: %s" % (path, FLAG, error), "Write it plainly; run again.")
    return [value] if isinstance(value, str) else []


registry.add("k3s", ["k3s.service", "k3s-agent.service"], find, marked.reconcile, lambda config: K3s(None, "gone", config))
