import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { refuseInvalid } from "../inputErrors";
import { urlError } from "../runners/errors";
import type { RunnerProxy } from "../runners/proxy";
import { openProxy } from "../runners/proxyInput";
import { defaultDrainTimeout } from "../runners/settings";
import type { Inputs } from "../schema";
import { createdToken } from "./createdToken";
import type { GitlabAddress } from "./gitlab/request";
import { VerifiedToken } from "./gitlab/verifiedResource";
import type { RegistrationPlace } from "./registration";
import { registeredToken } from "./registeredToken";
import type { creation, registration } from "./settings";
import { authenticationTokenError } from "./tokenKind";

/** Settings of RunnerToken: exactly one of the three tokens. */
export interface RunnerTokenArgs {
  /**
   * The authentication token (`glrt-…`) of a runner that was created in GitLab. Always kept as a secret, and never part
   * of a message.
   */
  authenticationToken?: pulumi.Input<string>;
  /** With `authenticationToken`: true asks GitLab in every preview whether it is good. Needs `gitlab`. Default: false. */
  verify?: boolean;
  /**
   * A legacy registration token: a Job in the cluster registers the runner, and keeps its token in a Secret. Needs `gitlab`
   * and `place`, and a Kubernetes provider. Kept as a secret. GitLab removes such tokens in 20.0.
   */
  registrationToken?: pulumi.Input<string>;
  /** How the runner is registered, with `registrationToken`. */
  register?: Inputs<z.input<typeof registration>>;
  /** Where the Job runs that registers, with `registrationToken`: namespace, image of gitlab-runner, nodes. */
  place?: Inputs<RegistrationPlace>;
  /**
   * An access token of GitLab's API: the runner is created with it, changed, rotated, and deleted with the stack. Scopes
   * `create_runner` and `manage_runner`; with `read_api` a runner is also found whose creation got no answer. Needs
   * `gitlab` and `create`. Kept as a secret.
   */
  gitlabAccessToken?: pulumi.Input<string>;
  /** What the runner is in GitLab, with `gitlabAccessToken`. */
  create?: Inputs<z.input<typeof creation>>;
  /** Tags of the runner that is created or registered. Default: none. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  /** How to reach GitLab from where Pulumi runs. */
  gitlab?: GitlabAddress;
  /** Seconds that jobs of a runner which goes may take. Default: 3600. */
  drainTimeout?: pulumi.Input<number>;
}

const kinds = ["authenticationToken", "registrationToken", "gitlabAccessToken"] as const;
type Kind = (typeof kinds)[number];

/**
 * The one place that turns a token into the secret that a runner uses, after a look at its kind. What it makes in GitLab it
 * removes from there, once the runners that use it are gone, and only that.
 *
 * @example
 * const token = new RunnerToken("dood", { authenticationToken: config.requireSecret("token") });
 */
export class RunnerToken extends pulumi.ComponentResource {
  /** The token, as a secret. */
  public readonly token: pulumi.Output<string>;

  public constructor(name: string, args: RunnerTokenArgs, opts?: pulumi.ComponentResourceOptions) {
    // The inputs of a component are stored; a token has no business there.
    super("pi-runners:index:RunnerToken", name, {}, opts);
    const kind = this.kindOf(name, args);
    const given = pulumi.secret(args[kind]!);
    switch (kind) {
      case "authenticationToken":
        this.token = this.authenticated(name, args, given);
        break;
      case "gitlabAccessToken":
        this.token = pulumi.secret(this.created(name, args, given));
        break;
      case "registrationToken":
        this.token = pulumi.secret(this.registered(name, args, given));
        break;
      default:
        throw new Error(`No token of kind ${String(kind satisfies never)}; add it to runnerToken.ts.`);
    }
    this.registerOutputs({ token: this.token });
  }

  private refuse(name: string, propertyPath: string, reason: string | undefined): void {
    refuseInvalid(`The token of runner ${name}`, reason === undefined ? [] : [{ propertyPath, reason }], this);
  }

  /** Exactly one kind of token is given, and nothing that belongs to another. */
  private kindOf(name: string, args: RunnerTokenArgs): Kind {
    const [kind, second] = kinds.filter((one) => args[one] !== undefined);
    if (kind === undefined) {
      this.refuse(name, "authenticationToken", `there is no token; give one of ${kinds.join(", ")}`);
    }
    if (second !== undefined) {
      this.refuse(name, second, `there are two tokens; give ${kind} or ${second}, and only that`);
    }
    const needsGitlab = args.verify === true || kind !== "authenticationToken";
    this.refuse(name, "gitlab", needsGitlab && args.gitlab === undefined ? "is missing; give GitLab's url" : undefined);
    this.refuse(name, "gitlab.url", args.gitlab === undefined ? undefined : urlError(args.gitlab.url));
    this.refuse(name, "create", misplaced("create", args.create !== undefined, kind === "gitlabAccessToken"));
    if (kind === "registrationToken" && args.place === undefined) {
      this.refuse(name, "place", "is missing; say where the Job runs that registers the runner");
    }
    if (args.verify === true && kind !== "authenticationToken") {
      this.refuse(name, "verify", "is for authenticationToken; drop it");
    }
    return kind!;
  }

  private authenticated(name: string, args: RunnerTokenArgs, given: pulumi.Output<string>): pulumi.Output<string> {
    const token = given.apply((plain) => {
      this.refuse(name, "authenticationToken", authenticationTokenError(plain));
      return plain;
    });
    return args.verify === true
      ? new VerifiedToken(name, { ...args.gitlab!, name, token }, { parent: this }).token
      : token;
  }

  private registered(name: string, args: RunnerTokenArgs, token: pulumi.Output<string>): pulumi.Output<string> {
    const { gitlab, register, place, tags = [] } = args;
    const { proxy, ...where } = place!;
    return registeredToken(this, name, {
      gitlab: gitlab!,
      registrationToken: token,
      registration: register,
      tags: pulumi.output(tags),
      place: pulumi.output(
        proxy === undefined ? where : { ...where, proxy: openProxy(proxy) },
      ) as pulumi.Output<RegistrationPlace>,
      proxy: pulumi.output(proxy) as pulumi.Output<RunnerProxy | undefined>,
    });
  }

  private created(name: string, args: RunnerTokenArgs, accessToken: pulumi.Output<string>): pulumi.Output<string> {
    const { gitlab, create, tags = [], drainTimeout = defaultDrainTimeout } = args;
    return createdToken(this, name, {
      gitlab: gitlab!,
      accessToken,
      creation: create,
      tags: pulumi.output(tags),
      drainTimeout,
    });
  }
}

function misplaced(what: string, isGiven: boolean, isWanted: boolean): string | undefined {
  if (isGiven === isWanted) {
    return undefined;
  }
  return isWanted ? "is missing; say what the runner is to be in GitLab" : `${what} is for gitlabAccessToken; drop it`;
}
