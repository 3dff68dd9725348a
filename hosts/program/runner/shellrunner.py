"""A GitLab runner with the shell executor as a service of this host: made, kept and taken away."""
import copy
import os
import pwd

import account
import binary
import files
import host
import main as core
import packages
import runnerledger
import service
import trees
from nodeerror import NodeError, reached


def main(action, settings):
    if action == "receive":
        return core.told(settings, lambda: core.check_root() or binary.receive(settings))
    # Two runners of one host take turns, and the one before may have to wait for its jobs.
    return core.run(action, settings, duty, runnerledger.HOME, settings["limit"])


def duty(action, settings, context, facts):
    """The report's part on the runner."""
    record = runnerledger.Record(settings["runner"])
    if action == "remove":
        return {"runner": settings["runner"], "how": remove(settings, context, record)}
    check(settings, record)
    keep(settings, record)
    found = differences(settings, record)
    if context.dry:
        return {"runner": settings["runner"], "differs": found}
    report = {"runner": settings["runner"], "unit": settings["unit"]["name"]}
    report["how"] = apply(settings, context, record, report)
    return report


def check(settings, record):
    """Everything that stops a run, before anything is written."""
    if record.exists and record.data["owner"] != settings["owner"]:
        raise NodeError("preflight", "this host has a runner %s of another stack (%s)"
                        % (record.name, record.data["owner"]), "Give one of the two another name.")
    for path in [settings["unit"]["path"]] + [one["path"] for one in settings["files"]]:
        if not record.made("file:" + path) and os.path.lexists(path):
            raise NodeError("preflight", "%s is there, and was not made by this" % path, "Give the runner another name.")
    for user in {settings["user"]} | ({"gitlab-runner"} if "package" in settings else set()):
        account.check(user, record)
    others = binary.foreign([record] + record.others())
    if others is not None:
        raise NodeError("preflight", "this host has a gitlab-runner that was not installed by this (%s); it is not taken over"
                        % others, "Remove it (`apt-get purge gitlab-runner`, or `gitlab-runner uninstall` and its files), or "
                        "take this host out of the runner's `hosts`.")
    for program in ("git", "bash", "su"):
        if not host.has(program):
            raise NodeError("preflight", "%s is missing, without which no job can start" % program,
                            "Install it: sudo apt-get install %s." % {"su": "util-linux"}.get(program, program))
    if settings["docker"] and not account.has_group("docker"):
        raise NodeError("preflight", "the host has no group docker, so `docker: true` cannot be had",
                        "Install Docker first (`installDocker` of the node does), or leave `docker` out.")
    if "package" in settings and not host.has("apt-get"):
        raise NodeError("preflight", "the host has no apt-get", "Give `binary` and `sha256`.")
    service.check_port(settings["metricsPort"], settings["unit"]["name"])
    for place in [one["path"] for one in written(settings)] + [settings["builds"] + "/x"]:
        files.check_writable(place, "preflight")


def keep(settings, record):
    """What a run before has written and is to stay, such as the runner's identity, is asked for as it is."""
    for one in settings["files"]:
        seen = files.read(one["path"]) if one.get("keep") and record.made("file:" + one["path"]) else None
        if seen is not None and not record.edited(one["path"], seen):
            one["text"] = seen.decode("utf-8")


def written(settings):
    return settings["files"] + [settings["unit"]]


def uses(settings):
    """All that the runner has on this host, in the order in which it is made."""
    folder, builds = settings["folder"], settings["builds"]
    things = ["user:" + settings["user"]]
    if settings["docker"]:
        things.append("member:%s:docker" % settings["user"])
    if "package" in settings:
        things += binary.OF_PACKAGE
    else:
        things += ["dir:" + os.path.dirname(settings["binary"]["path"]), "file:" + settings["binary"]["path"]]
    things += ["dir:" + os.path.dirname(folder), "dir:" + folder]
    things += ["dir:" + path for path in (os.path.dirname(os.path.dirname(builds)), os.path.dirname(builds))]
    return list(dict.fromkeys(things + ["tree:" + builds] + ["file:" + one["path"] for one in written(settings)]))


def differences(settings, record):
    """What a run would do, as lines of a diff."""
    lines = []
    for thing in uses(settings):
        line = difference(settings, thing)
        if line is not None:
            lines.append(line)
    lines += ["- " + words(thing) for thing in record.data["made"] if thing not in uses(settings)]
    how = service.needs(settings, service.unit_now(settings["unit"]["name"]))
    if how != "none":
        lines.append({"start": "~ the service starts", "restart": "~ the service restarts, after its jobs have ended"}[how])
    return lines


def difference(settings, thing):
    kind, rest = thing.split(":", 1)
    if kind == "file" and "binary" in settings and rest == settings["binary"]["path"]:
        same = binary.digest(rest) == settings["binary"]["sha256"]
        return None if same else "+ gitlab-runner, sha256 %s" % settings["binary"]["sha256"]
    if kind == "file":
        text = next(one["text"] for one in written(settings) if one["path"] == rest)
        now = files.read(rest)
        return None if now == text.encode("utf-8") else "%s %s" % ("+" if now is None else "~", rest)
    there = {
        "dir": lambda: os.path.isdir(rest),
        "tree": lambda: os.path.isdir(rest),
        "user": lambda: account.found(rest) is not None,
        "member": lambda: account.is_member(*rest.split(":")),
        "package": lambda: binary.has_package(settings["package"]),
    }[kind]()
    return None if there else "+ " + words(thing)


def words(thing):
    kind, rest = thing.split(":", 1)
    return {"member": lambda: "user %s in group %s" % tuple(rest.split(":")), "dir": lambda: rest + "/",
            "tree": lambda: rest + "/", "file": lambda: rest}.get(kind, lambda: "%s %s" % (kind, rest))()


class Before:
    """What ran before, to go back to."""

    def __init__(self, settings):
        self.name = settings["unit"]["name"]
        unit = service.unit_now(self.name)
        self.active = unit.active
        # One that systemd is about to start again is to go on being tried.
        self.wanted = unit.state in ("active", "reloading", "activating")
        self.enabled = service.is_enabled(self.name)
        self.marker = service.marker(unit.pid) if unit.active else None
        self.seen = [files.look(one["path"], "look") for one in written(settings)]
        self.package = binary.package_version() if "package" in settings else None

    def put_back(self, settings):
        """The files as they were; the service is restarted only if it runs something else by now."""
        if not self.wanted:
            service.stop(self.name, settings["drain"])  # while its unit is there, which says how
        for seen in self.seen:
            now = files.look(seen.path, "put back")
            if now.data != seen.data:
                if seen.data is None:
                    files.delete(now, "put back")
                else:
                    files.replace(now, seen.data, "put back", 0o600)
        if self.package not in (None, binary.package_version()):
            binary.install(self.package)
        service.forget()
        unit = host.settled(self.name, 60)
        if self.wanted and (not unit.active or service.marker(unit.pid) != self.marker):
            host.run(["systemctl", "reset-failed", self.name])
            host.run(["systemctl", "restart", self.name], settings["drain"] + 120, "put back" if self.active else None)
        elif self.wanted:
            host.run(["systemctl", "reload", self.name], 60)
        if self.enabled and not service.is_enabled(self.name):
            host.run(["systemctl", "enable", "--quiet", self.name], 60, "put back")

    def outcome(self):
        """What there is to say once all is put back: one that ran has to run again."""
        if self.active and not service.stays(self.name):
            return "The files of the host are as they were, but the service does not come up again: %s" % service.last_words(self.name)
        return "The host is as it was."


def apply(settings, context, record, report):
    """Makes everything, then switches the service over. What fails is put back."""
    context.first = not record.exists
    before, kept = Before(settings), copy.deepcopy(record.data)
    for one in written(settings):
        files.sweep(os.path.dirname(one["path"]))
    record.data["owner"] = settings["owner"]
    record.data["uses"] = sorted(set(kept["uses"]) | set(uses(settings)))
    record.save()
    try:
        make(settings, record)
        binary.try_out(settings, report)
        # A list, not a generator: each file has to be written.
        changed = any([service.write(one, record, context) for one in settings["files"]])
        service.write(settings["unit"], record, context)
        how = service.switch(settings, changed)
    except Exception as error:
        raise taken_back(error if isinstance(error, NodeError) else core.unexpected(), settings, record, before, kept)
    drop(record, [thing for thing in record.data["made"] if thing not in uses(settings)])
    record.data["uses"] = sorted(uses(settings))
    record.save()
    warn_of_docker(settings, context)
    return how


def make(settings, record):
    account.make(settings["user"], record)
    if settings["docker"]:
        account.join(settings["user"], "docker", record)
    for thing in uses(settings):
        kind, rest = thing.split(":", 1)
        if kind == "dir" or rest == settings["builds"]:
            folder(thing, rest, settings, record)
    binary.make(settings, record)


def folder(thing, path, settings, record):
    """A folder with the mode and owner that it needs: settings are root's alone, builds are the user's."""
    owner = pwd.getpwnam(settings["user"]) if thing.startswith("tree:") else None
    # Ours by its name, whoever of us made it; one that is not empty stays.
    record.will_make(thing)
    if not os.path.isdir(path):
        os.makedirs(path)
        files.sync_directory(os.path.dirname(path))
        reached("folder")
    os.chmod(path, 0o700 if owner or path == settings["folder"] else 0o755)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def warn_of_docker(settings, context):
    if not settings["docker"] and account.is_member(settings["user"], "docker"):
        context.warn("The user %s is in the group docker, which `docker` does not ask for: its jobs are root on this host. "
                     "`gpasswd -d %s docker` takes it out." % (settings["user"], settings["user"]))


def taken_back(error, settings, record, before, kept):
    """The error, with what became of what had been done before it came up."""
    try:
        before.put_back(settings)
        drop(record, [thing for thing in record.data["made"] if thing not in kept["made"]])
        record.data = kept
        if kept["owner"]:
            record.save()
        else:
            record.delete()
    except Exception as another:
        error.restored = "Not all could be put back (%s); the next run completes it." % another
        return error
    try:
        error.restored = before.outcome()
    except Exception as another:
        error.restored = "The files of the host are as they were; whether the service runs again could not be seen (%s)." % another
    return error


def remove(settings, context, record):
    """Takes away what was made for this owner's runner, after its last job. What another runner uses as well is left to it."""
    if not record.exists or record.data["owner"] != settings["owner"]:
        return "none"
    if record.made("package:" + binary.PACKAGE) and binary.in_use():
        context.warn("Somebody has registered another runner in %s: the package gitlab-runner, its user and that folder stay."
                     % binary.CONFIG)
    service.stop(settings["unit"]["name"], settings["drain"])
    drop(record, list(record.data["made"]))
    record.delete()
    return "removed"


ORDER = ["file", "tree", "member", "package", "user", "dir"]


def drop(record, things):
    """Undoes things, what is inside of another before that one; when they were noted says nothing, as another runner may
    have left one to this."""
    for thing in sorted(things, key=lambda one: (ORDER.index(one.split(":", 1)[0]), -len(one))):
        if not record.hand_over(thing):
            undo(thing)
        record.forget(thing)
        reached("undone")
    if any(thing.endswith(".service") for thing in things):
        service.forget()


def undo(thing):
    kind, rest = thing.split(":", 1)
    if thing in binary.OF_PACKAGE and binary.in_use():
        return
    if kind == "file":
        if os.path.lexists(rest):
            os.unlink(rest)
            files.sync_directory(os.path.dirname(rest))
    elif kind == "dir":
        files.sweep(rest)
        if os.path.isdir(rest):
            binary.sweep(rest)
        try:
            os.rmdir(rest)
        except OSError:
            pass  # it is gone, or somebody else's files are in it
    elif kind == "tree":
        trees.remove(rest)
    elif kind == "user":
        account.remove(rest)
    elif kind == "member":
        account.leave(*rest.split(":"))
    elif kind == "package":
        if binary.known(rest):
            packages.apt_purge(rest)
