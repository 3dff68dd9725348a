"""Docker's own reader of its settings: would this Docker start with this text?

Its program reads the text as a user that no host has, so that it can do nothing else: from 23.0 on `--validate` ends
it after reading, before that it ends there because it is not root. It gets the flags of the real one, as a setting that
is given both as a flag and in the file is fatal. What it does not look at is checked in docker_entries.py.
"""
import os
import shutil
import subprocess

USER = 0x7ffffff0
SIGNS = ("configuration OK", "needs to be started with root")


def refusal(engine, text):
    """Why it would not start; "" when it would; None when nobody can tell, as its program does not run by itself."""
    command = program(engine)
    if command is None:
        return None
    # The daemon's own search path: there it looks for programs that its settings presuppose, such as docker-proxy.
    environment = {"PATH": search_path(engine.unit.pid) or os.environ.get("PATH", os.defpath)}
    said = read(command, environment, text)
    if said == "" or said is None:
        return said
    # Only a reader that takes an empty object is one whose refusal means anything.
    return said.replace("/dev/stdin", engine.config) if read(command, environment, "{}") == "" else None


def program(engine):
    """The daemon's program and its flags; None where there is none."""
    places = [place for place, word in enumerate(engine.words) if os.path.basename(word).startswith("dockerd")]
    if not places:
        return None
    path = engine.words[places[0]]
    try:
        path = os.readlink("/proc/%d/exe" % engine.unit.pid).replace(" (deleted)", "")
    except OSError:
        pass
    if not os.path.basename(path).startswith("dockerd"):
        path = shutil.which("dockerd")
    return None if path is None else [path] + engine.words[places[0] + 1:]


def search_path(pid):
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            words = [os.fsdecode(word) for word in stream.read().split(b"\0")]
    except OSError:
        return None
    return next((word[5:] for word in words if word.startswith("PATH=")), None)


def read(command, environment, text):
    """What the program says against the text; "" when nothing; None when it did not get that far."""
    status, output = run(command + ["--validate"], environment, text)
    if "unknown flag: --validate" in output:
        status, output = run(command, environment, text)
    if any(sign in output for sign in SIGNS):
        return ""
    lines = [line for line in output.splitlines() if "level=info" not in line]
    return "\n".join(lines)[-500:].strip() or "status 1" if status == 1 else None


def run(command, environment, text):
    try:
        done = subprocess.run(command + ["--config-file", "/dev/stdin"], input=text.encode("utf-8"), env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=become_nobody, timeout=20)
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError) as error:
        return 127, str(error)


def become_nobody():
    os.fchown(0, USER, USER)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
