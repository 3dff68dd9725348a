import { Job } from "@pulumi/kubernetes/batch/v1/job";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy";
import { Role } from "@pulumi/kubernetes/rbac/v1/role";
import { RoleBinding } from "@pulumi/kubernetes/rbac/v1/roleBinding";
import * as pulumi from "@pulumi/pulumi";
import { refuseInvalid } from "../inputErrors";
import { apiServerPorts } from "../namespace/network";
import { encoded } from "../runners/manager/config";
import { proxyFiles, type RunnerProxy } from "../runners/proxy";
import { untaggedErrors } from "./errors";
import { RegisteredRunner } from "./gitlab/registeredResource";
import type { GitlabAddress } from "./gitlab/request";
import {
  registeredAttributes,
  registrationFiles,
  registrationJob,
  registrationLabel,
  registrationNames,
  registrationRules,
  untoldWarning,
  type RegistrationPlace,
} from "./registration";
import { registration } from "./settings";
import { registrationTokenError } from "./tokenKind";

/** What a runner is registered with. */
interface RegisteredTokenArgs {
  gitlab: GitlabAddress;
  registrationToken: pulumi.Output<string>;
  registration: unknown;
  tags: pulumi.Output<string[]>;
  /** Its proxy without a login, which `proxy` has. */
  place: pulumi.Output<RegistrationPlace>;
  proxy: pulumi.Output<RunnerProxy | undefined>;
}

/**
 * Registers a runner with a legacy token, by a Job in the cluster, and gives the token that it got; what it makes are
 * children of `parent`. The token goes from GitLab into a Secret by itself, and from there into the state as a secret.
 */
export function registeredToken(
  parent: pulumi.ComponentResource,
  name: string,
  args: RegisteredTokenArgs,
): pulumi.Output<string> {
  const inside = { parent };
  const what = `The registration of runner ${name}`;
  const settings = pulumi.all([args.registration ?? {}, args.tags]).apply(([given, tags]) => {
    const checked = registration.parse(given);
    refuseInvalid(what, untaggedErrors(checked.runUntagged, tags), parent);
    return checked;
  });
  const legacy = args.registrationToken.apply((token) => {
    const reason = registrationTokenError(token);
    refuseInvalid(what, reason === undefined ? [] : [{ propertyPath: "registrationToken", reason }], parent);
    return token;
  });
  const { namespace } = args.place;
  const names = registrationNames(name);
  const data = pulumi
    .all([legacy, settings, args.tags, args.proxy])
    .apply(([token, plain, tags, proxy]) =>
      encoded({ ...registrationFiles(token, name, plain, tags, args.gitlab), ...proxyFiles({ proxy }) }),
    );
  const request = new Secret(names.request, { metadata: { name: names.request, namespace }, data }, inside);
  // The Job writes it; here it only comes and goes.
  const kept = new Secret(
    names.token,
    { metadata: { name: names.token, namespace } },
    { ...inside, ignoreChanges: ["data"] },
  );
  const job = new Job(
    names.job,
    {
      // One that failed is tried again by the next update.
      metadata: { name: names.job, namespace, annotations: { "pulumi.com/replaceUnready": "true" } },
      spec: pulumi
        .all([args.place, settings])
        .apply(([place, { repeat }]) => registrationJob(name, place, args.gitlab, repeat)),
    },
    { ...inside, deleteBeforeReplace: true, dependsOn: [request, kept, ...rights(name, namespace, inside)] },
  );
  // Known once the Job has ended.
  const id = pulumi.all([namespace, job.metadata.uid]).apply(([space]) => `${space}/${names.token}`);
  const obtained = Secret.get(`${names.token}-obtained`, id, inside);
  const kept64 = pulumi.secret(obtained.data) as pulumi.Output<Record<string, string> | undefined>;
  const token = pulumi.all([kept64, namespace]).apply(([files, space]) => {
    const text = Buffer.from(files?.["token"] ?? "", "base64").toString();
    if (text === "") {
      throw new Error(lostToken(name, `${space}/${names.token}`));
    }
    return text;
  });
  const attributes = pulumi
    .all([settings, args.tags])
    .apply(([plain, tags]) => registeredAttributes(name, plain, tags));
  const runner = new RegisteredRunner(name, { ...args.gitlab, name, token, attributes }, inside);
  pulumi.all([runner.registered, attributes]).apply(async ([registered, wanted]) => {
    const warning = registered === undefined ? undefined : untoldWarning(name, registered, wanted);
    await (warning === undefined ? undefined : pulumi.log.warn(warning, parent));
  });
  return runner.token;
}

function lostToken(name: string, secret: string): string {
  return [
    `The token of the registered runner ${name} is lost: nothing is in the Secret that its Job has written.`,
    `Secret ${secret}; it may have been deleted and made anew, as a refresh does.`,
    `Change register.repeat of the runner, which registers it again; the one that had the lost token then goes from GitLab.`,
  ].join("\n  ");
}

/** An account that may write one Secret, and a way to the API server. */
function rights(name: string, namespace: pulumi.Output<string>, inside: pulumi.ResourceOptions): pulumi.Resource[] {
  const { job } = registrationNames(name);
  const metadata = { name: job, namespace };
  const egress = [{ ports: apiServerPorts.map((port) => ({ protocol: "TCP", port })) }];
  return [
    new ServiceAccount(job, { metadata, automountServiceAccountToken: false }, inside),
    new Role(job, { metadata, rules: registrationRules(name) }, inside),
    new RoleBinding(
      job,
      {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: job },
        subjects: [{ kind: "ServiceAccount", name: job, namespace }],
      },
      inside,
    ),
    new NetworkPolicy(
      job,
      {
        metadata,
        spec: { podSelector: { matchLabels: { [registrationLabel]: name } }, policyTypes: ["Egress"], egress },
      },
      inside,
    ),
  ];
}
