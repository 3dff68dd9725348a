/**
 * A runner that a Job has registered with a legacy token. Here is what GitLab was told of it at its registration, and its
 * end: GitLab is told that it is gone, once the runners that use its token are. Serialised into the state, as request.ts says.
 */
import * as pulumi from "@pulumi/pulumi";
import { orForget, type GitlabError } from "./failures";
import { gitlab, unknownValue, type GitlabAddress } from "./request";

/** What a runner is in GitLab, in the words of the stack file. */
export type RegisteredAttributes = Record<string, boolean | number | string | string[]>;

interface RegisteredRunnerState extends GitlabAddress {
  /** What GitLab gave at the registration. */
  token: string;
  /** For messages. */
  name: string;
  /** What GitLab is to be told at the next registration. Missing in what was stored before this was kept. */
  attributes?: RegisteredAttributes;
}

interface Stored extends RegisteredRunnerState {
  /** What GitLab was told when this token came to be; in a stack of before this was kept, what was so at its first update. */
  registered?: RegisteredAttributes;
}

/** `attributes` are not among them: no call by the runner's own token changes them, so their change is no work here. */
const compared = ["url", "ca", "hostAliases", "token", "name"] as const;

/** What Pulumi calls; public for its tests. */
export const registeredProvider = {
  async create(inputs: RegisteredRunnerState) {
    return { id: inputs.name, outs: { ...inputs, registered: inputs.attributes } };
  },

  async diff(_id: string, olds: Stored, news: RegisteredRunnerState) {
    const text = (value: unknown): string => JSON.stringify(value ?? null);
    // Another token is another runner: the one that had the old token goes, from the GitLab that it was in.
    // A preview in which its Job runs again cannot know: mostly it finds the token good.
    const isOther = !["", news.token].includes(olds.token ?? "") && news.token !== unknownValue;
    const replaces = isOther ? ["token"] : [];
    const changes = olds.registered === undefined || compared.some((key) => text(olds[key]) !== text(news[key]));
    return { changes, replaces };
  },

  async update(_id: string, olds: Stored, news: RegisteredRunnerState) {
    const isSame = olds.token === news.token && olds.registered !== undefined;
    return { outs: { ...news, registered: isSame ? olds.registered : news.attributes } };
  },

  async delete(_id: string, { token, name, url, ca, hostAliases }: RegisteredRunnerState) {
    const call = {
      method: "DELETE" as const,
      path: "runners",
      body: { token },
      subject: `runner ${name}`,
      repeatable: true,
    };
    // 403: GitLab does not know it any more.
    await gitlab({ url, ca, hostAliases }, call, [204, 403]).catch((error: GitlabError) => {
      throw orForget(error);
    });
  },
};

/** A runner that goes from GitLab with the stack. */
export class RegisteredRunner extends pulumi.dynamic.Resource {
  declare public readonly token: pulumi.Output<string>;
  declare public readonly registered: pulumi.Output<RegisteredAttributes | undefined>;

  public constructor(
    name: string,
    args: { [K in keyof RegisteredRunnerState]: pulumi.Input<RegisteredRunnerState[K]> },
    opts?: pulumi.CustomResourceOptions,
  ) {
    super(registeredProvider, name, { registered: undefined, ...args }, opts, "pi-runners", "RegisteredRunner");
  }
}
