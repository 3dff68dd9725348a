"""BuildKit's trust in registries: buildkitd.toml, for a buildkitd of the host and for builders made with
`docker buildx create --config`. Such builders copy the file when they are made, and read neither daemon.json nor certs.d.
"""
import os
import re

import host
import marked

BEGIN = "# begin pi-runners\n"
END = "# end pi-runners\n"


class BuildKit(marked.Dialect):
    """One table for each registry, after everything else."""

    engine = "buildkit"
    path = "/etc/buildkit/buildkitd.toml"
    after = "a build that runs on it would stop"

    def check(self, text):
        without(text)

    def by_hand(self, text):
        return set(re.findall(r"^\s*\[\s*registry\s*\.\s*[\"']([^\"']+)[\"']\s*[\].]", without(text), re.M))

    def written(self, text, wishes):
        text = without(text)
        tables = "".join(self.table(address, entry) for address, entry in sorted(wishes.items()))
        if not tables:
            return text
        return text + ("" if not text or text.endswith("\n") else "\n") + BEGIN + tables + END

    def table(self, address, entry):
        lines = "  http = true\n  insecure = true\n" if entry.get("insecure") else '  ca = ["%s"]\n' % self.ca_path(entry)
        return '[registry."%s"]\n%s' % (address, lines)


def without(text):
    """The text without our part."""
    if text.count(BEGIN) != text.count(END) or text.count(BEGIN) > 1:
        raise ValueError("the marks `%s` and `%s` do not pair" % (BEGIN.strip(), END.strip()))
    before, begin, rest = text.partition(BEGIN)
    return before + rest.partition(END)[2] if begin else text


def find(named):
    """A buildkitd of this host, or the folder of its settings; None where there is neither, unless it was named."""
    units = [unit for unit in host.units(["buildkit.service", "buildkitd.service"]).values() if unit.loaded]
    ours = marked.held(BuildKit.path, BuildKit.engine)
    if not (units or named or ours or os.path.isdir(os.path.dirname(BuildKit.path))):
        return None
    return BuildKit(units[0] if units else None, "?")
