import * as pulumi from "@pulumi/pulumi";
import { refuseInvalid } from "../inputErrors";
import { authenticationTokenError, registrationTokenError } from "./tokenKind";

/** Settings of RunnerToken: exactly one of them. */
export interface RunnerTokenArgs {
  /**
   * The authentication token (`glrt-…`) of a runner that was created in GitLab. Always kept as a secret, and never part
   * of a message.
   */
  authenticationToken?: pulumi.Input<string>;
  /** A legacy registration token. Not supported yet: it is refused, with the way out. */
  registrationToken?: pulumi.Input<string>;
}

/**
 * The one place that turns a token into the secret that a runner uses, after a look at its kind. It makes nothing in
 * GitLab and so removes nothing from there.
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
    const { authenticationToken, registrationToken } = args;
    const propertyPath = authenticationToken === undefined ? "registrationToken" : "authenticationToken";
    const refuse = (reason: string | undefined, at = propertyPath): void =>
      refuseInvalid(`The token of runner ${name}`, reason === undefined ? [] : [{ propertyPath: at, reason }], this);
    if (authenticationToken === undefined && registrationToken === undefined) {
      refuse("there is no token; give authenticationToken", "authenticationToken");
    }
    if (authenticationToken !== undefined && registrationToken !== undefined) {
      refuse("there are two tokens; give authenticationToken, and only that", "registrationToken");
    }
    this.token = pulumi.secret(authenticationToken ?? registrationToken!).apply((token) => {
      refuse(authenticationToken === undefined ? registrationTokenError(token) : authenticationTokenError(token));
      return token;
    });
    this.registerOutputs({ token: this.token });
  }
}
