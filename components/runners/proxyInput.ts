import * as pulumi from "@pulumi/pulumi";
import { withoutLogins, type Proxy } from "./proxy";

/** A proxy as components are given it. */
type ProxyInput = pulumi.Input<object | undefined>;

/**
 * A proxy as everything but Secrets may know it, without logins, and no secret then: marked as one, it would hide a whole pod
 * from previews.
 */
export function openProxy(proxy: ProxyInput): pulumi.Output<Proxy | undefined> {
  return pulumi.unsecret(pulumi.output(proxy)).apply((given) => withoutLogins(given as Proxy | undefined));
}

/** What previews and the state show of it: what was given as a secret is one there, and a password nowhere. */
export function shownProxy({ proxy }: { proxy?: ProxyInput }): pulumi.Inputs {
  return proxy === undefined
    ? {}
    : { proxy: pulumi.output(proxy).apply((given) => withoutLogins(given as Proxy | undefined)) };
}
