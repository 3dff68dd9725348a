"""The engines that a run knows. Each engine's file lists itself here when it is loaded; which files are loaded, and in
which order, components/registryTrust/engines.ts says."""

import host

ENGINES = []


class Listed:
    """One kind of engine.

    `find(named, context)` returns the places of this node where settings of this kind are: objects with `engine`, the
    kind's name, and `config`, the file or folder. `named` says that the stack asks for it by name, so that what is
    missing is an error. `reconcile(place, want, context)` makes one place trust what the owner wants and what others
    have, and returns its part of the report. `gone(config)` is a place whose engine is not there any more.
    """

    def __init__(self, name, find, reconcile, gone):
        self.name = name
        self.find = find
        self.reconcile = reconcile
        self.gone = gone


def add(name, units, find, reconcile, gone):
    """`units` are the systemd services that `find` asks for."""
    host.KNOWN.extend(units)
    ENGINES.append(Listed(name, find, reconcile, gone))
