"""What every engine that reads files of registries takes of a stack's wishes, and how its files are called."""
import hashlib
import os

import ledger
import nested
from nodeerror import NodeError


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


def warn_insecure(address, engine, owners, context):
    """A word on whose setting stands in the way of ours."""
    context.warn("%s stays insecure for %s, as %s wants it so. Change it there as well; the order does not matter."
                 % (address, engine, " and ".join(owners)))


def same_ca(there, ours, known):
    """Do two texts of settings mean one CA, though it may be kept in another file? `known` has what is in ours."""
    return ours in known and nested.same_certificates(there, known[ours])


def changed_by_hand(path):
    """The error of a file of ours that somebody else has written since."""
    return NodeError("read", "%s was changed by hand since it was written" % path,
                     "Move it away, or delete it; then run again.")
