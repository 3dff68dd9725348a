import * as pulumi from "@pulumi/pulumi";
import { proxyAnnotation, proxyDigest, withoutLogins, type Proxied, type RunnerProxy } from "./proxy";

/** A proxy as components are given it. */
type ProxyInput = pulumi.Input<object | undefined>;

/** The settings of a runner as those may know them who are told of them. */
export interface KnownSettings<S> {
  /** Everybody: without logins of a proxy, and without mirrors, whose addresses may be known late. */
  settings: pulumi.Output<S>;
  /** Everybody, with mirrors. */
  mirrored: pulumi.Output<S>;
  /** The runner's Secret, or its hosts: with everything, such as how to log in to a proxy, and that mirrors are reached without. */
  secrets: pulumi.Output<S>;
  /** Of the runner's pods: by them another proxy starts them again. */
  annotations: Record<string, pulumi.Output<string>>;
}

/**
 * @param given settings as the component has them
 * @param mirrors addresses of mirrors, where there are any
 * @param checked judges settings, and gives them with their defaults
 */
export function knownSettings<S extends Proxied>(
  given: { proxy?: ProxyInput; [setting: string]: unknown },
  mirrors: pulumi.Input<unknown>,
  checked: (given: unknown) => S,
): KnownSettings<S> {
  const own = given.proxy === undefined ? given : { ...given, proxy: openProxy(given.proxy) };
  const settings = pulumi.output<object>(own).apply(checked);
  // Where a mirror is to be made, its address is known late: only what holds it is not known in a preview, and no name is.
  const also = (more: object): pulumi.Output<S> =>
    pulumi
      .all([settings, (mirrors === undefined ? more : { ...more, mirrors }) as unknown])
      .apply(([, all]) => checked(all));
  const mirrored = mirrors === undefined ? settings : also(own);
  if (given.proxy === undefined) {
    return { settings, mirrored, secrets: settings, annotations: {} };
  }
  const secrets = also(given);
  return {
    settings,
    mirrored,
    secrets,
    annotations: { [proxyAnnotation]: pulumi.unsecret(secrets.apply(proxyDigest)) },
  };
}

/**
 * A proxy as everything but Secrets may know it, without logins, and no secret then: marked as one, it would hide a whole pod
 * from previews.
 */
export function openProxy(proxy: ProxyInput): pulumi.Output<RunnerProxy | undefined> {
  return pulumi.unsecret(pulumi.output(proxy)).apply((given) => withoutLogins(given as RunnerProxy | undefined));
}

/** What previews and the state show of it: what was given as a secret is one there, and a password nowhere. */
export function shownProxy({ proxy }: { proxy?: ProxyInput }): pulumi.Inputs {
  return proxy === undefined
    ? {}
    : { proxy: pulumi.output(proxy).apply((given) => withoutLogins(given as RunnerProxy | undefined)) };
}
