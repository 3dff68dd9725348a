"""What has to hold before one Docker is touched: whatever cannot be done safely is refused here."""
import docker_entries as entries
import files
import pending
from docker_plan import listed
from nodeerror import NodeError


def check(plan):
    """Refuses, or says whether a reload may be tried: some versions need a restart."""
    check_writable(plan)
    check_authorities(plan)
    if plan.add:
        pending.check_flags(plan.engine.words)
    check_entries(plan)
    check_readable(plan)
    warn_of_insecure(plan)
    if plan.info is None or not (plan.changes_file or plan.stale):
        return True
    safe = pending.check_version(plan.document, plan.info, plan.context.allow_restart)
    if plan.document is not None:
        pending.check(plan.document, plan.info, plan.context, plan.engine.config)
    return safe


def check_writable(plan):
    paths = [plan.record.file] + plan.authorities_add
    paths += [path for path in plan.authorities_drop if files.read(path) is not None]
    if plan.changes_file or plan.told is not None:
        paths.append(plan.seen.real)
    for path in paths:
        files.check_writable(path, "preflight")


def check_authorities(plan):
    """An edit of somebody else is neither overwritten nor taken away; as it would be trusted on, it stops the run."""
    for path in plan.edited_authorities():
        raise NodeError("CA", "%s was changed by hand since it was written for this stack, and Docker trusts what it says now"
                        % path, "To keep it, move it to a name of your own in that folder (such as ca.crt); otherwise remove "
                        "it. Then run again.")


def check_entries(plan):
    """An entry that Docker does not take makes every reload fail, and its next start."""
    wrong = [entry for entry in listed(plan.final) if not entries.accepted(entry)]
    if not wrong or not (plan.changes_file or plan.stale):
        return
    text = "%s lists %s under insecure-registries, which is no host[:port] and no network" % (
        plan.engine.config, ", ".join(wrong))
    if plan.desired:
        raise NodeError("pending edits", "%s: Docker would not reload it, and not start with it" % text,
                        "Correct or remove that entry, then run again.")
    plan.context.warn("%s: Docker will not start with it. Correct or remove that entry." % text)


def check_readable(plan):
    """The engine's own reader must take whatever may be the file's last text."""
    texts = {plan.final, plan.told} - {None}
    for text in sorted(texts if plan.stale else texts - {plan.text}):
        reason = plan.engine.refusal(text)
        if reason:
            raise NodeError("validate", "Docker would not start with %s as it would become: %s" % (plan.engine.config, reason),
                            "Correct what it names, in that file or in the daemon's flags; then run again.")


def warn_of_insecure(plan):
    foreign = entries.names(listed(plan.final))
    for entry in plan.want:
        if entry.get("ca") and entry["address"] in foreign:
            plan.context.warn("%s is listed as insecure by somebody else, so Docker does not use its CA." % entry["address"])
