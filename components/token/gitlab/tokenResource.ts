/**
 * The authentication token of a runner whose id is known: GitLab tells it at creation and when it is reset, and never
 * again, so it is asked for by a reset. The old one is worth nothing from then on (app/services/ci/runners/
 * reset_authentication_token_service.rb of GitLab): for a runner that was just created nobody has that yet.
 */
import * as pulumi from "@pulumi/pulumi";
import { gitlab, unknownValue, type GitlabAddress } from "./request";
import { renewalOf, strange } from "./runnerResource";

export interface GitlabTokenState extends GitlabAddress {
  accessToken: string;
  /** For messages. */
  name: string;
  /** For messages: what the access token needs. */
  needs: string;
  runnerId: string;
  /** When the runner came to be: another one may have the same number. Empty for runners of before this was kept. */
  runnerCreatedAt?: string;
  /** Another text resets the token. */
  rotate?: string;
  /** True: reset it before it expires. False where another runner takes this one's place instead. */
  renew: boolean;
}

interface Stored extends GitlabTokenState {
  token: string;
  renewAt: string;
}

async function reset(state: GitlabTokenState): Promise<Stored> {
  const path = `runners/${state.runnerId}/reset_authentication_token`;
  const { accessToken, needs, name } = state;
  const call = { method: "POST" as const, path, accessToken, needs, subject: `runner ${name}`, repeatable: true };
  const { json } = await gitlab(state, call, [201]);
  const { token, token_expires_at } = json as { token?: string; token_expires_at?: string };
  if (typeof token !== "string" || token === "") {
    throw strange(state, "The answer to the reset of a runner's token has no token in it.");
  }
  return { ...state, token, renewAt: renewalOf(token_expires_at) };
}

function isOther(olds: Stored, news: GitlabTokenState): boolean {
  const [before = "", now = ""] = [olds.runnerCreatedAt, news.runnerCreatedAt];
  return olds.runnerId !== news.runnerId || (now !== unknownValue && now !== before);
}

function isDue(olds: Stored, news: GitlabTokenState): boolean {
  const isOld = olds.renewAt !== "" && Date.parse(olds.renewAt) <= Date.now();
  return isOther(olds, news) || (olds.rotate ?? "") !== (news.rotate ?? "") || (news.renew && isOld);
}

/** What Pulumi calls; public for its tests. */
export const tokenProvider = {
  async create(inputs: GitlabTokenState) {
    return { id: inputs.name, outs: await reset(inputs) };
  },

  // Address and access token are for the next reset only, which gets them from the program: no change by themselves.
  async diff(_id: string, olds: Stored, news: GitlabTokenState) {
    return { changes: isDue(olds, news) };
  },

  async update(_id: string, olds: Stored, news: GitlabTokenState) {
    return { outs: isDue(olds, news) ? await reset(news) : { ...news, token: olds.token, renewAt: olds.renewAt } };
  },
};

/** The token of a runner, a secret. It goes with the runner: to delete it does nothing. */
export class GitlabToken extends pulumi.dynamic.Resource {
  declare public readonly token: pulumi.Output<string>;

  public constructor(
    name: string,
    args: { [K in keyof GitlabTokenState]: pulumi.Input<GitlabTokenState[K]> },
    opts?: pulumi.CustomResourceOptions,
  ) {
    const options = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["token"] });
    super(tokenProvider, name, { token: undefined, ...args }, options, "pi-runners", "GitlabToken");
  }
}
