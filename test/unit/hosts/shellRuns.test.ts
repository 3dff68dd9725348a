import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

const play = (name: string, ...args: unknown[]) => python.call<unknown>("shellRuns", name, ...args);

describe("the shell runner's program (on scratch folders, with stand-ins for users, apt and systemd)", () => {
  it("kills what a job has left, not a database in a container whose user has the same number", async () => {
    assert.deepEqual(await play("who_is_killed"), [10, 12]);
  });

  it("two runners of a host get gitlab-runner at the same time", async () => {
    assert.deepEqual(await play("two_at_once"), { result: { one: "kept", two: "kept" }, there: ["one", "two"] });
  });

  it("a new user gets no home in which somebody's files are, and jobs are never root's", async () => {
    assert.equal(
      await play("user_refused", null, true, false),
      "/home/ci is there, but no user ci: the new user would get it",
    );
    assert.equal(await play("user_refused", 0, true, false), "the user ci is root by its id");
    assert.equal(await play("user_refused", null, true, true), null);
    assert.equal(await play("user_refused", 999, true, false), null);
    assert.equal(await play("user_refused", null, false, false), null);
  });

  it("a user's home goes before the user, but not a disk that is mounted there", async () => {
    assert.deepEqual(await play("removed_user"), [["userdel", false]]);
    assert.deepEqual(await play("mounted_in_home"), {
      said: "HOME/disk is mounted in a folder of jobs, HOME",
      there: true,
    });
  });

  it("another version of the package comes with the helper images that it depends on", async () => {
    const words = "install --allow-downgrades gitlab-runner";
    assert.deepEqual(await play("installed", null, []), [words]);
    assert.deepEqual(await play("installed", "17.7.1-1", ["17.7.1-1"]), [
      `${words}=17.7.1-1 gitlab-runner-helper-images=17.7.1-1`,
    ]);
    assert.deepEqual(await play("installed", "16.0.0", []), [`${words}=16.0.0`]);
  });

  it("does not take a package back while apt still installs it", async () => {
    const said =
      "the package manager has not yet finished what was begun before (pi-runners-install-gitlab-runner.service)";
    assert.deepEqual(await play("purge_while_installing"), { ran: 0, said });
  });

  it("leaves a package with which somebody has registered a runner of their own", async () => {
    assert.deepEqual(await play("registered_since"), []);
  });

  it("a failed update leaves the service as it was: running, about to be tried again, or off", async () => {
    assert.deepEqual(await play("put_back", "active", true), { asked: ["restart"], enabled: true });
    assert.deepEqual(await play("put_back", "activating", true), { asked: ["restart"], enabled: true });
    assert.deepEqual(await play("put_back", "failed", true), { asked: ["stop", "disable", "enable"], enabled: true });
    assert.deepEqual(await play("put_back", "inactive", false), { asked: ["stop", "disable"], enabled: false });
  });

  it("an identity stays that a host has from before, not one that was edited or that is not ours", async () => {
    assert.deepEqual(await play("kept", true, false), ["r_before", "r_new"]);
    assert.deepEqual(await play("kept", true, true), ["r_new", "r_new"]);
    assert.deepEqual(await play("kept", false, false), ["r_new", "r_new"]);
  });
});
