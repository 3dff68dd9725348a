"""k3s' trust in registries: registries.yaml, which k3s reads only when it starts."""
import host
import marked
import yamltext


class K3s(marked.Dialect):
    """Mirrors and configs both: mirrors say over which scheme to go, configs (keyed by host) how to verify."""

    engine = "k3s"
    path = "/etc/rancher/k3s/registries.yaml"
    after = "restarting k3s leaves containers running"

    def check(self, text):
        yamltext.parts(yamltext.without(text))

    def by_hand(self, text):
        return set(yamltext.names(text, "mirrors")[0]) | set(yamltext.names(text, "configs")[0])

    def written(self, text, wishes):
        mirrors, configs = [], []
        for address, entry in sorted(wishes.items()):
            schemes = ["https", "http"] if entry.get("insecure") else ["https"]
            mirrors += ['"%s":' % address, "  endpoint:"] + ['    - "%s://%s"' % (scheme, address) for scheme in schemes]
            configs += ['"%s":' % address, "  tls:"]
            configs += ["    insecure_skip_verify: true"] if entry.get("insecure") else [
                '    ca_file: "%s"' % self.ca_path(entry)]
        return yamltext.with_entries(text, [("mirrors", mirrors), ("configs", configs)])


def find():
    """The k3s of this host, server or agent; None where there is none."""
    units = [unit for unit in host.units(["k3s.service", "k3s-agent.service"]).values() if unit.loaded]
    running = [unit for unit in units if unit.active]
    if not units:
        return None
    _, version = host.run(["k3s", "--version"])
    return K3s((running or units)[0], (version.split() + ["?"] * 3)[2])
