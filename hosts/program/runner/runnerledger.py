"""What belongs to each shell runner of this host: what was made for it, and what it uses, so that taking it away takes
just that. One record for each runner. Things are named `kind:…`; one that several runners use goes with the last of them.
"""
import json
import os

import files
import ledger
from nodeerror import reached

# No name of a Kubernetes namespace, of which pods have folders beside it.
HOME = "/var/lib/pi-runners/shell_runners"

SHAPE = {
    "version": lambda value: value == 1,
    "owner": lambda value: isinstance(value, str),
    "made": ledger.strings,
    "uses": ledger.strings,
    "written": lambda value: isinstance(value, dict) and ledger.strings(list(value.values())),
}


class Record:
    """The ledger of one runner."""

    def __init__(self, name, home=None):
        self.name = name
        self.home = home or HOME
        self.file = os.path.join(self.home, name + ".json")
        self.stored = files.read(self.file)
        self.data = {"version": 1, "owner": "", "made": [], "uses": [], "written": {}}
        if self.stored is not None:
            self.data.update(ledger.understood(self.file, self.stored, SHAPE, "docs/nodes.md"))

    @property
    def exists(self):
        return self.stored is not None

    def made(self, thing):
        return thing in self.data["made"]

    def will_make(self, thing):
        """Notes something before it is made: after a power cut it is known whose it is."""
        if not self.made(thing):
            self.data["made"].append(thing)
            self.save()

    def wrote(self, path, data):
        """Notes a file's text before it is written, so that an edit by hand is told from it afterwards."""
        if self.data["written"].get(path) != ledger.digest(data):
            self.data["written"][path] = ledger.digest(data)
            self.save()

    def edited(self, path, data):
        """Has somebody else changed the file since?"""
        return path in self.data["written"] and data is not None and self.data["written"][path] != ledger.digest(data)

    def forget(self, thing):
        self.data["made"].remove(thing)
        self.data["written"].pop(thing.split(":", 1)[1], None)
        self.save()

    def others(self):
        """The records of the host's other runners."""
        return [Record(name, self.home) for name in ledger.records(self.home) if name != self.name]

    def hand_over(self, thing):
        """Leaves a thing to another runner that uses it as well; False when there is none."""
        for other in self.others():
            if thing in other.data["uses"]:
                other.will_make(thing)
                return True
        return False

    def save(self):
        text = (json.dumps(self.data, indent=1, sort_keys=True) + "\n").encode("utf-8")
        if text != self.stored:
            ledger.store(self.file, self.stored, text)
            self.stored = text
            reached("ledger")

    def delete(self):
        if self.stored is not None:
            os.unlink(self.file)
            files.sync_directory(self.home)
            self.stored = None
