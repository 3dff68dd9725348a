import * as pulumi from "@pulumi/pulumi";
import { loginSecrets, type HostSsh } from "../hosts/ssh";
import type { StackFile } from "./schema";

/** Keys of a login whose values must never be seen. */
const secretKeys = [...loginSecrets, "sudoPassword"] as const;

type Login = Partial<Record<(typeof secretKeys)[number], string>>;

/** Marks passwords and keys as secrets, so that no state, log or preview shows them. */
export function secretsOf(login: Login): Partial<Record<(typeof secretKeys)[number], pulumi.Output<string>>> {
  const given = secretKeys.filter((key) => login[key] !== undefined);
  return Object.fromEntries(given.map((key) => [key, pulumi.secret(login[key])]));
}

/** The same of the host that leads to a node. */
export function bastionOf(login: StackFile["ssh"]): Pick<HostSsh, "bastion"> {
  return login.bastion === undefined ? {} : { bastion: { ...login.bastion, ...secretsOf(login.bastion) } };
}
