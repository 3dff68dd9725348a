/**
 * A look at GitLab before anything is changed: is a runner's token good? It runs when Pulumi checks the inputs, in previews
 * too, so that a token that expired or was revoked is named before a pod is rolled.
 */
import * as pulumi from "@pulumi/pulumi";
import { gitlab, type GitlabAddress } from "./request";
import type { GitlabError } from "./failures";

interface VerifiedTokenState extends GitlabAddress {
  token: string;
  /** For messages. */
  name: string;
}

/** What GitLab files the look under, as every process of a runner has its name there; it is removed at once. */
const systemId = "r_piverifypiru";

async function verify({ token, name, ...address }: VerifiedTokenState): Promise<string | undefined> {
  const subject = `runner ${name}`;
  const body = { token, system_id: systemId };
  const call = { method: "POST" as const, path: "runners/verify", body, subject, repeatable: true };
  const { status } = await gitlab(address, call, [200, 403]);
  if (status === 403) {
    return `GitLab at ${address.url} does not know the token of runner ${name}: it expired, was reset or revoked, or its runner was deleted; create a runner there (or reset the token) and set the new one: pulumi config set --path --secret 'tokens.${name}'`;
  }
  const leave = { method: "DELETE" as const, path: "runners/managers", body, subject, repeatable: true };
  await gitlab(address, leave, [204, 404]).catch(() => undefined); // at worst GitLab shows a process that was never there
  return undefined;
}

/** What Pulumi calls; public for its tests. */
export const verifiedProvider = {
  async check(_olds: unknown, news: VerifiedTokenState) {
    // While previewing, a token that another resource will make is a text of Pulumi's own.
    if (!/^glrtr?-/.test(news.token)) {
      return { inputs: news };
    }
    const reason = await verify(news).catch((error: GitlabError) => error.message);
    // Of no property: of a property Pulumi prints the value, a secret one as well.
    return { inputs: news, failures: reason === undefined ? [] : [{ property: "", reason }] };
  },

  async create(inputs: VerifiedTokenState) {
    return { id: inputs.name, outs: inputs };
  },

  async update(_id: string, _olds: unknown, news: VerifiedTokenState) {
    return { outs: news };
  },
};

/** A token that GitLab knew when it was last looked at. */
export class VerifiedToken extends pulumi.dynamic.Resource {
  declare public readonly token: pulumi.Output<string>;

  public constructor(
    name: string,
    args: { [K in keyof VerifiedTokenState]: pulumi.Input<VerifiedTokenState[K]> },
    opts?: pulumi.CustomResourceOptions,
  ) {
    super(verifiedProvider, name, { ...args }, opts, "pi-runners", "VerifiedToken");
  }
}
