"""The way back of a change that failed: files, ledger and engine as they were before the run."""
import docker_plan
import engine as engines
import files
import jsontext
import ledger
from docker_entries import KEY, name, names
from nodeerror import NodeError


def put_all_back(error, change):
    """Everything as it was before this run; the error then says so. The ledger keeps its notes if that fails."""
    try:
        state = roll_back(change) if change.touched else None
        touched = [seen for seen in change.authorities_before if files.read(seen.real) != seen.data]
        take_back(change)
        state = state or ("The files were put back." if touched else error.restored)
    except Exception as another:
        state = "PUTTING BACK FAILED (%s). The settings of before are kept in %s." % (another, change.record.file)
    return NodeError(error.step, error.what, error.fix, state)


def take_back(change):
    """CA files and ledger as they were before this run."""
    for before in change.authorities_before:
        seen = files.look(before.path, "put back")
        if before.data is None:
            files.delete(seen, "put back")
        elif seen.data != before.data:
            files.replace(files.Seen(seen.path, seen.real, seen.data, before.status), before.data, "put back")
    change.record.tidy()
    change.record.data = change.saved
    change.record.save()


def roll_back(change):
    """Settings as they were, and the engine with them; in two steps where the key goes."""
    plan, engine = change.plan, change.engine
    if plan.info is None:
        restore(change)
        return "The settings were put back."
    alive = engine.alive()
    surplus = names(plan.add) - plan.shown
    if alive and surplus and KEY not in docker_plan.keys(plan.text):
        seen = files.look(engine.config, "put back")
        change.write(seen, plan.with_list((seen.data or b"").decode("utf-8"), []), "put back")
        engine.reload()
        engine.reaches(engines.Goal([], surplus))
    restore(change)
    return revive(engine, alive, engines.Goal(names(plan.remove) & plan.shown, surplus))


def restore(change):
    """The file of before; where somebody else has edited it meanwhile, theirs without our part."""
    plan = change.plan
    seen = files.look(plan.engine.config, "put back")
    if seen.data == plan.seen.data:
        return
    ours = ledger.digest(seen.data) in change.record.data["written"] or (plan.final is None and seen.data is None)
    if ours and plan.text is None:
        files.delete(seen, "put back")
    elif ours:
        before = plan.readable(plan.text).encode("utf-8")
        files.replace(files.Seen(seen.path, seen.real, seen.data, plan.seen.status), before, "put back")
    elif seen.data is not None:
        text = jsontext.remove(seen.data.decode("utf-8"), KEY, plan.add)
        there = names(docker_plan.listed(text))
        text = jsontext.add(text, KEY, [entry for entry in plan.remove if name(entry) not in there])
        files.replace(seen, text.encode("utf-8"), "put back")


def revive(engine, alive, goal):
    """The engine as it was: reloaded, or started again if it had ended."""
    if alive:
        engine.reload()
        done = engine.reaches(goal)
        return "The settings were put back%s." % ("" if done else ", but the engine has not confirmed it")
    engine.start()
    return "The settings were put back, %s." % (
        "and the engine runs again" if engine.unit.active else "but the engine DOES NOT START")
