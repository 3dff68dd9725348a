import * as pulumi from "@pulumi/pulumi";
import { RandomId } from "@pulumi/random";
import { refuseInvalid } from "../inputErrors";
import { creationErrors } from "./errors";
import type { GitlabAddress } from "./gitlab/request";
import { GitlabRunner, needsOf } from "./gitlab/runnerResource";
import { noteOf } from "./gitlab/shownRunner";
import { GitlabToken } from "./gitlab/tokenResource";
import { accessTokenError } from "./tokenKind";
import { creation } from "./settings";

/** What a runner that the stack creates is made of. */
interface CreatedTokenArgs {
  gitlab: GitlabAddress;
  accessToken: pulumi.Output<string>;
  creation: unknown;
  tags: pulumi.Output<string[]>;
  drainTimeout: pulumi.Input<number>;
}

/** The mark of a stack's runner: by it a runner whose creation got no answer is found, and no stranger's is touched. */
function markOf(id: pulumi.Output<string>): pulumi.Output<string> {
  return pulumi.interpolate`pi-runners ${id}`;
}

/** Creates a runner in GitLab and gives its token; what it makes are children of `parent`. */
export function createdToken(
  parent: pulumi.ComponentResource,
  name: string,
  args: CreatedTokenArgs,
): pulumi.Output<string> {
  const inside = { parent };
  const what = `The runner ${name} in GitLab`;
  // Kept in the state, so another for every stack that has ever been.
  const mark = markOf(new RandomId(`${name}-mark`, { byteLength: 4 }, inside).hex);
  const accessToken = args.accessToken.apply((token) => {
    const reason = accessTokenError(token);
    refuseInvalid(what, reason === undefined ? [] : [{ propertyPath: "gitlabAccessToken", reason }], parent);
    return token;
  });
  const settings = pulumi.all([args.creation, args.tags]).apply(([given, tags]) => {
    const checked = creation.parse(given);
    refuseInvalid(what, creationErrors(checked, tags), parent);
    return checked;
  });
  const note = settings.apply(({ maintenanceNote = "" }) => (maintenanceNote === "" ? "" : `${maintenanceNote}\n`));
  const lastLine = pulumi.all([settings, mark]).apply(([{ id }, text]) => noteOf({ mark: text, adopt: id }));
  const runner = new GitlabRunner(
    name,
    {
      ...args.gitlab,
      accessToken,
      name,
      type: settings.type,
      groupId: settings.apply(({ groupId }) => groupId),
      projectId: settings.apply(({ projectId }) => projectId),
      adopt: settings.apply(({ id }) => id),
      mark,
      description: pulumi.interpolate`${settings.apply(({ description = name }) => description)} [${mark}]`,
      tags: args.tags,
      runUntagged: settings.runUntagged,
      locked: settings.locked,
      paused: settings.paused,
      protected: settings.protected,
      maximumTimeout: settings.apply(({ maximumTimeout = 0 }) => maximumTimeout),
      maintenanceNote: pulumi.interpolate`${note}${lastLine}`,
      // A runner that was taken over keeps its number: its token is reset instead.
      rotate: settings.apply(({ id, rotate }) => (id === undefined ? rotate : undefined)),
      drainTimeout: args.drainTimeout,
    },
    inside,
  );
  const { token } = new GitlabToken(
    name,
    {
      ...args.gitlab,
      accessToken,
      name,
      needs: settings.apply(needsOf),
      runnerId: runner.id,
      runnerCreatedAt: runner.createdAt,
      rotate: settings.apply(({ id, rotate }) => (id === undefined ? undefined : rotate)),
      renew: settings.apply(({ id }) => id !== undefined),
    },
    inside,
  );
  return token;
}
