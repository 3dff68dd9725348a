import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabError } from "../../../lab/gitlab/client";
import { type StandIn, admin, call, dood, registration, startStandIn } from "./standIn";

/** What runners of today say of themselves. */
const today = { system_id: "r_AbCdEf123456", info: { version: "19.4.0", features: { cancel_gracefully: true } } };

describe("stand-in for GitLab, call by call", function () {
  this.timeout(30_000);
  let standIn: StandIn;

  beforeEach(async () => {
    standIn = await startStandIn();
  });
  afterEach(() => standIn.stop());

  async function handOut(yaml: string, body: object = today) {
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": yaml } });
    await standIn.lab.startPipeline("demo");
    const answer = await request(body);
    assert.equal(answer.status, 201);
    return answer.body;
  }

  const request = (body: object = today) => call(standIn, "POST", "/api/v4/jobs/request", { token: dood, ...body });
  const patch = (id: number, token: string, range: string, text: string) =>
    call(standIn, "PATCH", `/api/v4/jobs/${id}/trace`, text, {
      "Content-Type": "text/plain",
      "JOB-TOKEN": token,
      "Content-Range": range,
    });

  it("answers runners in JSON and refuses tokens that it does not know", async () => {
    const good = await call(standIn, "POST", "/api/v4/runners/verify", { token: dood, ...today });
    assert.equal(good.status, 200);
    assert.match(good.headers.get("content-type") ?? "", /^application\/json/);
    assert.deepEqual(good.body, { id: 1, token: dood, token_expires_at: null });
    for (const [method, path] of [
      ["POST", "/api/v4/runners"],
      ["POST", "/api/v4/runners/verify"],
      ["DELETE", "/api/v4/runners"],
      ["DELETE", "/api/v4/runners/managers"],
      ["POST", "/api/v4/jobs/request"],
    ] as const) {
      assert.equal((await call(standIn, method, path, { token: "glrt-wrong" })).status, 403, `${method} ${path}`);
    }
    // An authentication token is no registration token.
    assert.equal((await call(standIn, "POST", "/api/v4/runners", { token: dood })).status, 403);
  });

  it("knows each runner process by its system_id, and forgets one without the others", async () => {
    await request();
    await request({ system_id: "r_other0000000" });
    await request({});
    const ids = async () => (await standIn.lab.runners())[0]?.managers.map((manager) => manager.systemId);
    assert.deepEqual(await ids(), ["r_AbCdEf123456", "r_other0000000", "<legacy>"]);
    const leave = { token: dood, system_id: "r_other0000000" };
    assert.equal((await call(standIn, "DELETE", "/api/v4/runners/managers", leave)).status, 204);
    assert.equal((await call(standIn, "DELETE", "/api/v4/runners/managers", leave)).status, 404);
    assert.equal((await call(standIn, "DELETE", "/api/v4/runners/managers", { token: dood })).status, 400);
    assert.deepEqual(await ids(), ["r_AbCdEf123456", "<legacy>"]);
  });

  it("gives a job only to a runner with all its tags, and untagged ones only to who takes them", async () => {
    const { token } = await standIn.lab.createRunner({ tags: ["dind", "arm64"] });
    const asDind = () => call(standIn, "POST", "/api/v4/jobs/request", { token });
    await standIn.lab.createProject("demo", {
      files: {
        ".gitlab-ci.yml": `
          tagged: {tags: [dind], script: [echo]}
          free: {script: [echo]}
          nowhere: {tags: [dind, riscv], script: [echo]}`,
      },
    });
    await standIn.lab.startPipeline("demo");
    assert.equal((await asDind()).body.job_info.name, "tagged");
    assert.equal((await asDind()).status, 204);
    assert.equal((await request()).body.job_info.name, "free");
    assert.equal((await request()).status, 204);
  });

  it("tells a runner by X-GitLab-Last-Update whether it is worth asking", async () => {
    const first = await request();
    const last_update = first.headers.get("x-gitlab-last-update");
    assert.ok(last_update);
    assert.equal((await request({ last_update })).headers.get("x-gitlab-last-update"), last_update);
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": "a: {script: [echo]}" } });
    await standIn.lab.startPipeline("demo");
    assert.equal((await request({ last_update })).status, 201);
  });

  it("holds a request until there is a job, when long polling is on", async () => {
    await standIn.stop();
    standIn = await startStandIn({ longPollSeconds: 20 });
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": "a: {script: [echo]}" } });
    const last_update = (await request()).headers.get("x-gitlab-last-update");
    const held = request({ last_update });
    assert.equal(await Promise.race([held, sleep(300).then(() => "held")]), "held");
    await standIn.lab.startPipeline("demo");
    assert.equal((await held).status, 201);
  });

  describe("to a runner that commits in two phases", () => {
    const twoPhases = { ...today, info: { version: "19.4.0", features: { two_phase_job_commit: true } } };
    const yaml = "a: {tags: [dood], script: [echo]}";
    const tell = (job: { id: number; token: string }, state: string) =>
      call(standIn, "PUT", `/api/v4/jobs/${job.id}`, { token: job.token, state });
    const status = async (id: number) => (await standIn.lab.job(id)).status;

    it("gives a job that runs once the runner says so, and to nobody else meanwhile", async () => {
      const job = await handOut(yaml, twoPhases);
      assert.equal(await status(job.id), "pending");
      assert.equal((await request({ ...today, system_id: "r_other0000000" })).status, 204);
      assert.equal((await tell(job, "running")).status, 200);
      assert.equal(await status(job.id), "running");
      assert.equal((await tell(job, "success")).status, 200);
      assert.equal(await status(job.id), "success");
    });

    it("takes a job back that nobody says to run, and turns the first runner away", async () => {
      await standIn.stop();
      standIn = await startStandIn({ staleJobSeconds: 1 });
      const lost = await handOut(yaml, twoPhases);
      await sleep(2500);
      const again = await request(twoPhases);
      assert.equal(again.status, 201);
      assert.equal(again.body.id, lost.id);
      assert.equal((await tell(lost, "running")).status, 403);
      assert.equal((await tell(again.body, "running")).status, 200);
    });

    it("tells the runner of a job that was cancelled before it began", async () => {
      const job = await handOut(yaml, twoPhases);
      await standIn.lab.cancelJob(job.id);
      const told = await tell(job, "running");
      assert.equal(told.status, 403);
      assert.equal(told.headers.get("job-status"), "canceled");
    });
  });

  it("hands out a job with everything that a runner needs", async () => {
    const job = await handOut(`
      default:
        image: {name: "registry.lab:5000/base:1", entrypoint: [""]}
        tags: [dood]
      variables: {DOCKER_TLS_CERTDIR: /certs}
      build:
        services: [{name: "docker:dind", alias: docker, command: ["--mtu=1400"], variables: {A: b}}]
        before_script: [echo 0]
        script: [echo 1]
        after_script: [echo 2]
        timeout: 1h 30m
        cache: {key: deps, paths: [node_modules/], policy: pull}
        artifacts: {paths: [out/], when: always, expire_in: 1 week, reports: {junit: r.xml}}`);
    const variables = Object.fromEntries(
      job.variables.map((variable: { key: string; value: string }) => [variable.key, variable.value]),
    );
    assert.equal(job.runner_info.timeout, 5400);
    assert.match(job.runner_info.uuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(job.inputs, undefined);
    assert.deepEqual(job.image, { name: "registry.lab:5000/base:1", entrypoint: [""] });
    assert.deepEqual(job.services, [
      {
        name: "docker:dind",
        alias: "docker",
        command: ["--mtu=1400"],
        variables: [{ key: "A", value: "b", public: true }],
      },
    ]);
    assert.deepEqual(
      job.steps.map((step: { name: string; script: string[]; when: string }) => [step.name, step.script, step.when]),
      [
        ["script", ["echo 0", "echo 1"], "on_success"],
        ["after_script", ["echo 2"], "always"],
      ],
    );
    assert.equal(job.cache[0].key, "deps-protected");
    assert.equal(job.cache[0].policy, "pull");
    assert.deepEqual(
      job.artifacts.map((artifact: { artifact_type: string; artifact_format: string; when: string }) => [
        ...[artifact.artifact_type, artifact.artifact_format, artifact.when],
      ]),
      [
        ["archive", "zip", "always"],
        ["junit", "gzip", "always"],
      ],
    );
    assert.deepEqual(job.credentials, [
      { type: "registry", url: "gitlab.lab:5050", username: "gitlab-ci-token", password: job.token },
    ]);
    assert.equal(job.git_info.sha, variables["CI_COMMIT_SHA"]);
    assert.equal(variables["CI_REGISTRY_IMAGE"], "gitlab.lab:5050/lab/demo");
    assert.equal(variables["CI_REGISTRY_USER"], "gitlab-ci-token");
    assert.equal(variables["CI_REGISTRY_PASSWORD"], job.token);
    assert.equal(variables["DOCKER_TLS_CERTDIR"], "/certs");
    assert.equal(variables["CI_PIPELINE_ID"], String(job.job_info.pipeline_id));
    assert.equal(variables["CI_DEFAULT_BRANCH"], "main");
  });

  it("takes a trace piece by piece, and says where to go on after a gap", async () => {
    const { id, token } = await handOut("a: {script: [echo]}");
    assert.equal((await patch(id, "wrong", "0-4", "hello")).status, 403);
    const first = await patch(id, token, "0-4", "hello");
    assert.equal(first.status, 202);
    assert.equal(first.headers.get("range"), "0-5");
    assert.equal(first.headers.get("job-status"), "running");
    assert.equal(first.headers.get("x-gitlab-trace-update-interval"), "3");
    for (const range of ["0-4", "9-13"]) {
      const answer = await patch(id, token, range, "hello");
      assert.equal(answer.status, 416, range);
      assert.equal(answer.headers.get("range"), "0-5");
    }
    await patch(id, token, "5-10", " world");
    assert.equal(await standIn.lab.trace(id), "hello world");
    assert.equal(await standIn.lab.trace(id, 6), "world");
  });

  it("tells a runner that can stop gracefully first canceling, and any other canceled", async () => {
    const job = await handOut("a: {script: [echo]}");
    await standIn.lab.cancelJob(job.id);
    const running = { token: job.token, state: "running" };
    const told = await call(standIn, "PUT", `/api/v4/jobs/${job.id}`, running);
    assert.deepEqual([told.status, told.headers.get("job-status")], [200, "canceling"]);
    await call(standIn, "PUT", `/api/v4/jobs/${job.id}`, { token: job.token, state: "failed" });
    assert.equal((await standIn.lab.job(job.id)).status, "canceled");

    const old = await handOut("a: {script: [echo 2]}", {});
    // The same manager as before, were it not for its missing system_id.
    await standIn.lab.cancelJob(old.id);
    const refused = await call(standIn, "PUT", `/api/v4/jobs/${old.id}`, { token: old.token, state: "running" });
    assert.deepEqual([refused.status, refused.headers.get("job-status")], [403, "canceled"]);
  });

  it("fails a job whose runner has gone silent, and offers its retry", async () => {
    await standIn.stop();
    standIn = await startStandIn({ staleJobSeconds: 1 });
    const job = await handOut("a: {script: [echo], retry: {max: 1, when: stuck_or_timeout_failure}}");
    const failed = await standIn.lab.waitJob(job.id, ({ status }) => status === "failed", 5000);
    assert.equal(failed.failureReason, "stuck_or_timeout_failure");
    assert.equal((await request()).status, 201);
    assert.equal((await call(standIn, "PUT", `/api/v4/jobs/${job.id}`, { token: job.token })).status, 403);
  });

  it("refuses artifacts that are too large, or that another pipeline's job asks for", async () => {
    await standIn.stop();
    standIn = await startStandIn({ maxArtifactBytes: 1000 });
    const job = await handOut("a: {script: [echo], artifacts: {paths: [x]}}");
    const upload = async (bytes: number) => {
      const form = new FormData();
      form.append("file", new Blob([Buffer.alloc(bytes, 1)]), "artifacts.zip");
      const headers = { "JOB-TOKEN": job.token };
      return fetch(`${standIn.url}/api/v4/jobs/${job.id}/artifacts`, { method: "POST", body: form, headers });
    };
    assert.equal((await upload(2000)).status, 413);
    assert.equal((await upload(900)).status, 201);
    const path = `/api/v4/jobs/${job.id}/artifacts`;
    const own = await call(standIn, "GET", path, undefined, { "JOB-TOKEN": job.token });
    assert.equal(own.body.length, 900);
    const other = await handOut("a: {script: [echo 2]}");
    assert.equal((await call(standIn, "GET", path, undefined, { "JOB-TOKEN": other.token })).status, 403);
    assert.equal((await call(standIn, "GET", path)).status, 403);
  });

  it("creates, changes, rotates and deletes runners as GitLab's API does", async () => {
    const headers = { "PRIVATE-TOKEN": admin };
    const wanted = {
      runner_type: "instance_type",
      description: "from the API",
      tag_list: "pi,dood",
      run_untagged: "false",
    };
    const path = "/api/v4/user/runners";
    assert.equal((await call(standIn, "POST", path, wanted)).status, 401);
    assert.equal((await call(standIn, "POST", path, wanted, { "PRIVATE-TOKEN": "wrong" })).status, 401);
    const created = await call(standIn, "POST", path, new URLSearchParams(wanted).toString(), {
      ...headers,
      "Content-Type": "application/x-www-form-urlencoded",
    });
    assert.equal(created.status, 201);
    const { id, token } = created.body;
    assert.match(token, /^glrt-/);
    const shown = await call(standIn, "GET", `/api/v4/runners/${id}`, undefined, headers);
    assert.deepEqual(
      [shown.body.tag_list, shown.body.run_untagged, shown.body.status],
      [["pi", "dood"], false, "never_contacted"],
    );
    const rotated = await call(standIn, "POST", `/api/v4/runners/${id}/reset_authentication_token`, {}, headers);
    assert.notEqual(rotated.body.token, token);
    assert.equal((await call(standIn, "POST", "/api/v4/runners/verify", { token })).status, 403);
    assert.equal((await call(standIn, "POST", "/api/v4/runners/verify", { token: rotated.body.token })).status, 200);
    assert.equal((await call(standIn, "DELETE", `/api/v4/runners/${id}`, undefined, headers)).status, 204);
    assert.equal((await call(standIn, "GET", `/api/v4/runners/${id}`, undefined, headers)).status, 404);
    const project = { runner_type: "project_type", project_id: 99 };
    assert.equal((await call(standIn, "POST", path, project, headers)).status, 400);
  });

  it("has groups, whose runners take the jobs of their projects and of groups below", async () => {
    const headers = { "PRIVATE-TOKEN": admin };
    const files = { ".gitlab-ci.yml": "job: {tags: [grouped], script: [echo 1]}" };
    const inside = await standIn.lab.createProject("top/below/inside", { files });
    await standIn.lab.createProject("elsewhere/outside", { files });
    const list = async (path: string) =>
      (await call(standIn, "GET", `/api/v4/${path}/runners`, undefined, headers)).body as { id: number }[];
    const create = async (group_id: unknown) =>
      call(
        standIn,
        "POST",
        "/api/v4/user/runners",
        { runner_type: "group_type", group_id, tag_list: "grouped" },
        headers,
      );
    const { body } = await create(inside.groupId);
    for (const path of [`groups/${inside.groupId}`, "groups/top%2Fbelow", `projects/${inside.id}`]) {
      assert.ok(
        (await list(path)).some(({ id }) => id === body.id),
        path,
      );
    }
    for (const path of ["groups/top", "groups/elsewhere", "projects/elsewhere%2Foutside"]) {
      assert.ok(!(await list(path)).some(({ id }) => id === body.id), path);
    }
    assert.equal((await call(standIn, "GET", "/api/v4/groups/nowhere/runners", undefined, headers)).status, 404);
    const missing = await create(999);
    assert.deepEqual([missing.status, missing.body.message], [400, "400 Bad request - Missing/invalid group"]);
    await standIn.lab.startPipeline("elsewhere/outside");
    assert.equal((await call(standIn, "POST", "/api/v4/jobs/request", { token: body.token })).status, 204);
    await standIn.lab.startPipeline("top/below/inside");
    assert.equal((await call(standIn, "POST", "/api/v4/jobs/request", { token: body.token })).status, 201);
  });

  it("fails in every way that it is told to, and only there", async () => {
    const { lab } = standIn;
    await lab.setFault({ mode: "down", only: "^POST /api/v4/jobs/request" });
    await assert.rejects(request());
    assert.equal((await call(standIn, "POST", "/api/v4/runners/verify", { token: dood })).status, 200);
    await lab.setFault({ mode: "unavailable", times: 1 });
    assert.deepEqual([(await request()).status, (await request()).status], [503, 204]);
    await lab.setFault({ mode: "refuse" });
    assert.equal((await request()).status, 403);
    await lab.setFault({ mode: "slow", ms: 300 });
    const started = Date.now();
    await request();
    assert.ok(Date.now() - started >= 290);
    await lab.setFault({ mode: "up" });
    const { routes } = await lab.requests();
    assert.deepEqual(Object.keys(routes["POST /api/v4/jobs/request"] ?? {}).sort(), ["204", "403", "503"]);
  });

  it("keeps runners, projects and numbers over a restart, and lets go of running jobs", async () => {
    const job = await handOut("a: {script: [echo]}");
    const { body: registered } = await call(standIn, "POST", "/api/v4/runners", { token: registration, tag_list: "x" });
    const stateDir = standIn.folder;
    const again = await startStandIn({ stateDir });
    try {
      assert.equal((await call(again, "POST", "/api/v4/runners/verify", { token: registered.token })).status, 200);
      assert.equal((await call(again, "PUT", `/api/v4/jobs/${job.id}`, { token: job.token })).status, 403);
      const pipeline = await again.lab.startPipeline("demo");
      assert.equal(pipeline.id, 2);
      assert.ok(pipeline.jobs[0]!.id > job.id);
      assert.equal((await again.lab.runners()).filter((runner) => runner.origin === "seed").length, 1);
    } finally {
      await again.stop();
    }
  });

  it("starts afresh when its state was cut short", async () => {
    const stateDir = standIn.folder;
    writeFileSync(join(stateDir, "state.json"), '{"nextId": {');
    const again = await startStandIn({ stateDir });
    try {
      assert.equal((await again.lab.runners()).length, 1);
      assert.match(again.log.join("\n"), /cannot be read and is put aside/);
    } finally {
      await again.stop();
    }
  });

  it("asks for the control token when it has one", async () => {
    await standIn.stop();
    standIn = await startStandIn({ controlToken: "let-me-in" });
    assert.equal((await standIn.lab.runners()).length, 1);
    assert.equal((await call(standIn, "PUT", "/lab/faults", { mode: "down" })).status, 401);
  });

  it("says what is wrong with a call of the control API", async () => {
    const refused = (promise: Promise<unknown>, status: number, message: RegExp) =>
      assert.rejects(promise, (error: LabError) => error.status === status && message.test(error.message));
    await refused(standIn.lab.startPipeline("missing"), 404, /No project missing/);
    await refused(standIn.lab.createProject("../etc", { files: {} }), 400, /Not a project's name/);
    await refused(standIn.lab.createProject("demo", { files: { "../../x": "" } }), 422, /must lie inside/);
    await refused(standIn.lab.setFault({ mode: "sideways" } as never), 400, /mode/);
    await refused(standIn.lab.createRunner({ token: dood }), 409, /already/);
    await refused(standIn.lab.job(77), 404, /No job 77/);
  });
});
