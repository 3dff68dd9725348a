"""What a run tells its user: errors in three parts, warnings, and the steps it has reached."""
import os
import signal


class NodeError(Exception):
    """A reason to stop: what is wrong, at which step, and what the user can do."""

    def __init__(self, step, what, fix, restored="Nothing was changed."):
        super().__init__(what)
        self.step = step
        self.what = what
        self.fix = fix
        self.restored = restored

    def text(self, node):
        """The message as it is shown, one part a line."""
        return "%s\n  where: node %s, step %s\n  state: %s\n  what to do: %s" % (
            self.what, node, self.step, self.restored, self.fix)


class Context:
    """One run on one node: who asks, what is allowed, what was noticed. Where it is `dry`, nothing is written; where it is
    `strict` as well, what would stop a real run stops it. `first` says that the owner had nothing on this host before."""

    def __init__(self, node, owner, allow_restart=False, dry=False):
        self.node = node
        self.owner = owner
        self.allow_restart = allow_restart
        self.dry = dry
        self.strict = False
        self.first = False
        self.warnings = []

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)


def reached(step):
    """Marks a step. Tests name one in PI_RUNNERS_TRUST_CRASH_AT to die there as by a power cut, or in
    PI_RUNNERS_TRUST_PAUSE_AT to wait there for a file to go; unset, as always outside tests, neither does anything."""
    if os.environ.get("PI_RUNNERS_TRUST_CRASH_AT") == step:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("PI_RUNNERS_TRUST_PAUSE_AT") == step:
        pause(os.environ["PI_RUNNERS_TRUST_PAUSE_FILE"])


def pause(path):
    """Makes the file, then waits until somebody removes it."""
    import time
    with open(path, "w"):
        pass
    while os.path.exists(path):
        time.sleep(0.02)
