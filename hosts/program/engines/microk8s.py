"""microk8s 1.23 and later: its containerd looks into this folder at every pull."""
import os

import certsd
import host
import registry

CONFIG = "/var/snap/microk8s/current/args/certs.d"
UNIT = "snap.microk8s.daemon-containerd.service"


def find(named, context):
    """The folder is always there and always read; so is a snap that is installed."""
    if not os.path.isdir(os.path.dirname(CONFIG)):
        return []
    version = os.path.basename(os.path.realpath("/snap/microk8s/current")) or "?"
    return [certsd.Place("microk8s", host.units([UNIT])[UNIT], CONFIG, version)]


registry.add("microk8s", [UNIT], find, certsd.reconcile, lambda config: certsd.Place("microk8s", None, config, "gone"))
