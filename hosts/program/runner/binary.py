"""gitlab-runner itself: a file by its checksum, fetched from an address or sent over the connection, or a package.

A file's name holds its checksum, so a new one lies beside the one that runs until it has proven itself, and going back is
a matter of the unit alone.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

import account
import files
import host
import packages
from nodeerror import NodeError, reached

STEP = "binary"
CHUNK = 1 << 20
# What a file is called until it is whole.
PART = ".gitlab-runner.part"
PACKAGE = "gitlab-runner"
# It depends on that one in the same version, which apt does not choose by itself where it is not the newest (since 17.7).
HELPERS = PACKAGE + "-helper-images"
# Seconds: both together have several hundred MB.
PATIENCE = 600
CONFIG = "/etc/gitlab-runner"
# What the package brings with it and does not take away again when it goes.
OF_PACKAGE = ["user:gitlab-runner", "tree:" + CONFIG, "package:" + HELPERS, "package:" + PACKAGE]


def digest(path):
    """The file's checksum; None when it is missing."""
    try:
        with open(path, "rb") as stream:
            summed = hashlib.sha256()
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                summed.update(chunk)
            return summed.hexdigest()
    except FileNotFoundError:
        return None


def proxy(settings):
    """The variables of the runner's proxy, where it has one."""
    text = next((one["text"] for one in settings["files"] if one["path"] == settings.get("proxy")), "")
    return dict(line.split("=", 1) for line in text.splitlines())


def make(settings, record):
    """Brings the file or the package there."""
    if "package" in settings:
        return make_package(settings["package"], record)
    one = settings["binary"]
    record.will_make("file:" + one["path"])
    if digest(one["path"]) == one["sha256"]:
        return None
    if not one.get("url"):
        raise NodeError(STEP, "the host has no gitlab-runner with the checksum %s, and none was sent" % one["sha256"],
                        "A warning above says why it was not sent. Fix that, then run again.")
    return fetch(one, proxy(settings))


def fetch(one, variables):
    """Downloads it; only a file with the right checksum gets the name."""
    import urllib.request
    os.environ.update(variables)
    try:
        with urllib.request.urlopen(one["url"], timeout=60) as stream:
            keep(stream.read, one)
    except OSError as error:
        raise NodeError(STEP, "%s cannot be fetched (%s)" % (one["url"], error),
                        "Check the address, and that the host reaches it; or give a file of yours as `binary`.")


def receive(settings):
    """Takes the file from stdin, unless it is there: says first which of both."""
    one = settings["binary"]
    have = digest(one["path"]) == one["sha256"]
    sys.stdout.write("have\n" if have else "send\n")
    sys.stdout.flush()
    if not have:
        keep(sys.stdin.buffer.read, one)
    return 0


def keep(read, one):
    """Writes what is read into the file's place, whole and with the right checksum, or not at all."""
    folder = os.path.dirname(one["path"])
    files.check_writable(one["path"], STEP)
    files.make_directories(files.missing_directories(folder))
    sweep(folder)
    descriptor, temporary = part(folder)
    try:
        summed = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in iter(lambda: read(CHUNK), b""):
                summed.update(chunk)
                stream.write(chunk)
            stream.flush()
            os.fchmod(stream.fileno(), 0o755)
            os.fsync(stream.fileno())
            if summed.hexdigest() != one["sha256"]:
                raise NodeError(STEP, "what came as gitlab-runner has the checksum %s, not %s"
                                % (summed.hexdigest(), one["sha256"]), "Correct `sha256`, or give the file that it belongs to.")
            os.rename(temporary, one["path"])
        files.sync_directory(folder)
        reached(STEP)
    except OSError as error:
        raise NodeError(STEP, "%s cannot be written (%s)" % (one["path"], error.strerror),
                        "Free space there: the file has about 100 MB.")
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def part(folder):
    """A new file that nobody sweeps while it is open: another runner's file may come at the same time."""
    while True:
        descriptor, path = tempfile.mkstemp(PART, ".", folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(path):
            return descriptor, path
        os.close(descriptor)


def sweep(folder):
    """Removes what killed runs left of a file, and not what is still coming."""
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(PART):
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
            except (BlockingIOError, FileNotFoundError):
                pass


def make_package(wanted, record):
    """By apt, from the sources that the host has. GitLab's package also makes a user, a folder, and a service of its own that
    has no runner, which is stopped: ours is another one."""
    if has_package(wanted):
        return
    version = wanted.get("version")
    if version is None or version not in candidates(PACKAGE):
        packages.update(PACKAGE)  # the host's lists may be older than the version
    check_candidate(version)
    for thing in OF_PACKAGE:
        there = {"package": known, "user": lambda rest: account.found(rest) is not None, "tree": os.path.lexists}
        kind, rest = thing.split(":", 1)
        if not there[kind](rest):
            record.will_make(thing)
    install(version)


def install(version):
    names = [PACKAGE]
    if version is not None:
        names = ["%s=%s" % (name, version) for name in (PACKAGE, HELPERS) if name == PACKAGE or version in candidates(name)]
    packages.apt_get(PACKAGE, "install --allow-downgrades " + " ".join(names), PATIENCE)
    if not in_use():
        host.run(["systemctl", "disable", "--now", PACKAGE + ".service"], 60)
    reached(STEP)


def in_use():
    """Has somebody registered a runner of their own with the package since?"""
    return b"[[runners" in (files.read(CONFIG + "/config.toml") or b"")


def known(package):
    """Does dpkg have anything of a package? Half of it, after a power cut, is there as well."""
    status, output = host.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], 20)
    return status == 0 and output != "not-installed"


def candidates(package):
    """What apt says of a package, as words, its versions among them."""
    status, output = host.run(["apt-cache", "policy", package], 60)
    return output.split() if status == 0 else []


def has_package(wanted):
    """Is it installed, in the version that is asked for, where one is?"""
    there = package_version()
    return there is not None and wanted.get("version") in (None, there)


def check_candidate(version):
    words = candidates(PACKAGE)
    if "Candidate:" not in words or words[words.index("Candidate:") + 1] == "(none)":
        raise NodeError(STEP, "apt knows no package %s on this host" % PACKAGE,
                        "Add GitLab's repository (https://docs.gitlab.com/runner/install/linux-repository/), or give `binary` "
                        "and `sha256`.")
    if version is not None and version not in words:
        raise NodeError(STEP, "apt knows no version %s of %s on this host" % (version, PACKAGE),
                        "`apt-cache policy %s` lists those that it knows." % PACKAGE)


def package_version():
    """The version that is installed; None when none is."""
    status, output = host.run(["dpkg-query", "-W", "-f", "${Status} ${Version}", PACKAGE], 20)
    words = output.split()
    return words[3] if status == 0 and words[:3] == ["install", "ok", "installed"] else None


def foreign(records):
    """A gitlab-runner of somebody else on this host, as words; None when there is none."""
    if any(record.made("package:" + PACKAGE) for record in records):
        return None
    if host.units_now([PACKAGE + ".service"])[PACKAGE + ".service"].present:
        return "the service %s" % PACKAGE
    return next((path for path in ("/usr/bin/gitlab-runner", "/usr/local/bin/gitlab-runner") if os.path.lexists(path)), None)


def try_out(settings, report):
    """Proves that it runs here, and that GitLab knows the token, before anything is switched over to it. A GitLab that
    does not answer proves nothing, and stops nothing."""
    path = settings["program"]
    try:
        status, output = host.run([path, "--version"], 30)
    except OSError as error:
        status, output = 1, "%s; the host is %s" % (error.strerror, os.uname().machine)
    if status != 0:
        raise NodeError("try it", "%s does not run on this host: %s" % (path, output[-500:]),
                        "Give one that was built for this architecture.")
    version = [line.split(None, 1)[1] for line in output.splitlines() if line.startswith("Version:")]
    report["version"] = version[0] if version else output.split("\n", 1)[0]
    verify(path, settings)


def verify(path, settings):
    """`gitlab-runner verify` fails when GitLab refuses the token, and only then. It runs on a copy in memory: cards wear."""
    folder = tempfile.mkdtemp("", "pi-runners-", "/run")
    try:
        for one in settings["files"]:
            copy = os.path.join(folder, os.path.basename(one["path"]))
            with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(one["text"].replace(settings["folder"] + "/", folder + "/"))
        try:
            done = subprocess.run([path, "verify", "--config", os.path.join(folder, "config.toml")], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, **proxy(settings)), timeout=60)
        except subprocess.TimeoutExpired:
            return
        if done.returncode != 0:
            said = done.stdout.decode("utf-8", "replace")
            known = "Failed to verify runners" in said
            raise NodeError("try it", "GitLab at %s does not accept the runner's token" % settings["url"] if known
                            else "gitlab-runner refuses its settings: %s" % plain(said)[-800:],
                            "Create a runner in GitLab (Settings > CI/CD > Runners) and give its token, or correct `gitlab.url`."
                            if known else "Correct the runner's `config`.")
    finally:
        shutil.rmtree(folder)


def plain(text):
    """Without the colours of a terminal."""
    import re
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip()
