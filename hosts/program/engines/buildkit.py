"""BuildKit's trust in registries: buildkitd.toml, for a buildkitd of the host and for builders made with
`docker buildx create --config`. Such builders copy the file when they are made, and read neither daemon.json nor certs.d.
"""
import json
import os

import host
import ledger
import marked
import registry
import tomltext
import trustable

CONFIG = "/etc/buildkit/buildkitd.toml"


class BuildKit(marked.Dialect):
    """One table for each registry, after everything else."""

    engine = "buildkit"
    after = "a build that runs on it would stop"

    def read(self, text):
        return tomltext.read(text)

    def without(self, text):
        return tomltext.without(text)

    def read_block(self, block):
        return tomltext.read(block[1])

    def ours(self, desired):
        return {"registry": {
            address: {"http": True, "insecure": True} if found["insecure"] else
            {"ca": [self.ca_path(pem) for pem in sorted(found["cas"])]} for address, found in desired.items()}}

    def lines(self, section, address, value):
        settings = ["  %s = %s" % (key, json.dumps(value[key])) for key in sorted(value)]
        return ["[%s.%s]" % (section, json.dumps(address))] + settings

    def added(self, text, ours):
        tables = [self.lines("registry", address, value) for address, value in sorted(ours["registry"].items())]
        return tomltext.with_tables(text, sum(tables, []))


def find(named, context):
    """A buildkitd of this host, or the folder of its settings; none where there is neither, unless it was named."""
    known = host.units(["buildkit.service", "buildkitd.service"]).values()
    units = [unit for unit in known if unit.present]
    running = [unit for unit in units if unit.active] or units
    words = host.command_line(running[0].pid) or host.planned_command_line(running[0]) if running else []
    config = (host.flag(words, "config") or [CONFIG])[-1]
    ours = trustable.record_name(BuildKit.engine, config) in ledger.records()
    if not (units or named or ours or os.path.isdir(os.path.dirname(CONFIG))):
        return []
    return [BuildKit(running[0] if running else None, "?", config)]


registry.add("buildkit", ["buildkit.service", "buildkitd.service"], find, marked.reconcile, lambda config: BuildKit(None, "gone", config))
