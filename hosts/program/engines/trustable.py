"""What every engine that reads files of registries takes of a stack's wishes, and how its files are called."""
import hashlib
import os

import ledger


def entries(want, engine, context):
    """The registries that an engine has to be told of: it trusts the others anyway, and networks it cannot."""
    networks = [entry["address"] for entry in want if "/" in entry["address"]]
    for address in networks:
        context.warn("%s is a network, which only Docker can trust; %s does not." % (address, engine))
    return [entry for entry in want
            if entry["address"] not in networks and (entry.get("ca") or entry.get("insecure"))]


def record_name(engine, config):
    """The name of the ledger's record of one engine's file or folder."""
    return "%s-%s" % (engine, hashlib.sha256(config.encode()).hexdigest()[:12])


def ca_path(folder, pem):
    """Where the file of a CA is: its name says what is in it, so another CA is another file."""
    return os.path.join(folder, "pi-runners-%s.crt" % ledger.digest(pem.encode("utf-8"))[:16])
