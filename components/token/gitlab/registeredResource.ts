/**
 * A runner that a Job has registered with a legacy token. Here is its end: GitLab is told that it is gone, once the runners
 * that use its token are. Serialised into the state, as request.ts says.
 */
import * as pulumi from "@pulumi/pulumi";
import { gitlab, type GitlabAddress } from "./request";

export interface RegisteredRunnerState extends GitlabAddress {
  /** What GitLab gave at the registration. */
  token: string;
  /** For messages. */
  name: string;
}

/** What Pulumi calls; public for its tests. */
export const registeredProvider = {
  async create(inputs: RegisteredRunnerState) {
    return { id: inputs.name, outs: inputs };
  },

  async update(_id: string, _olds: unknown, news: RegisteredRunnerState) {
    return { outs: news };
  },

  async delete(_id: string, { token, name, ...address }: RegisteredRunnerState) {
    const call = {
      method: "DELETE" as const,
      path: "runners",
      body: { token },
      subject: `runner ${name}`,
      repeatable: true,
    };
    // 403: GitLab does not know it any more.
    await gitlab(address, call, [204, 403]);
  },
};

/** A runner that goes from GitLab with the stack. */
export class RegisteredRunner extends pulumi.dynamic.Resource {
  declare public readonly token: pulumi.Output<string>;

  public constructor(
    name: string,
    args: { [K in keyof RegisteredRunnerState]: pulumi.Input<RegisteredRunnerState[K]> },
    opts?: pulumi.CustomResourceOptions,
  ) {
    super(registeredProvider, name, { ...args }, opts, "pi-runners", "RegisteredRunner");
  }
}
