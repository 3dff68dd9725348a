import { isIPv6 } from "node:net";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment";
import { PersistentVolumeClaim } from "@pulumi/kubernetes/core/v1/persistentVolumeClaim";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { Service } from "@pulumi/kubernetes/core/v1/service";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { refuseInvalid } from "../inputErrors";
import { encoded } from "../runners/manager/config";
import type { Arguments } from "../schema";
import { schemaErrors } from "../schemaErrors";
import { mirrorErrors } from "./errors";
import { configDigest, mirrorConfig, mirrorLabels, mirrorName, mirrorNetwork, mirrorPod, mirrorPort } from "./pod";
import { mirrorSettings, type MirrorSettings } from "./settings";

const schema = z.strictObject(mirrorSettings);

/** Settings of RegistryMirror; docs/reference/configuration.md says what each means. */
export interface RegistryMirrorArgs extends Partial<Arguments<typeof mirrorSettings, "password">> {
  /** The namespace that it goes to; one mirror fits in. */
  namespace: pulumi.Input<string>;
  /** Names that only the LAN knows, with their addresses. Default: none. */
  hostAliases?: Record<string, string>;
}

/**
 * A pull-through mirror of Docker Hub in the cluster: the first build that pulls an image brings it, the daemons of all
 * nodes find it there. Where it does not answer, they ask Docker Hub itself.
 *
 * @example
 * const mirror = new RegistryMirror("mirror", { namespace: place.namespace });
 * new DindRunner("dind", { …, mirrors: [mirror.url] });
 */
export class RegistryMirror extends pulumi.ComponentResource {
  /**
   * Its address, `http://…:5000`: that of its Service, which stays as long as the mirror is there. Containers of a node's
   * Docker know no names of the cluster.
   */
  public readonly url: pulumi.Output<string>;

  /** @throws InvalidInputsError naming everything that is wrong */
  public constructor(name: string, args: RegistryMirrorArgs, opts?: pulumi.ComponentResourceOptions) {
    const { namespace, hostAliases, password, ...given } = args;
    super("pi-runners:index:RegistryMirror", name, { namespace, hostAliases, ...given }, opts);
    // A password that is known only later is judged as one that is there.
    const settings = this.checked(name, { ...given, ...(password === undefined ? {} : { password: "given" }) });
    const secret = password === undefined ? undefined : pulumi.secret(password);
    const whole = pulumi.output(secret).apply((value): MirrorSettings => ({ ...settings, password: value }));
    const metadata = { name: mirrorName, namespace, labels: mirrorLabels };
    const inside = { parent: this };
    new Secret(`${name}-config`, { metadata, data: whole.apply((plain) => encoded(mirrorConfig(plain))) }, inside);
    if (settings.hostFolder === undefined) {
      this.claim(name, settings, metadata);
    }
    new NetworkPolicy(`${name}-network`, { metadata, spec: mirrorNetwork(settings) }, inside);
    new Deployment(
      name,
      {
        metadata,
        spec: {
          replicas: 1,
          // Two would write in one volume.
          strategy: { type: "Recreate" },
          selector: { matchLabels: mirrorLabels },
          template: pulumi
            .unsecret(whole.apply(configDigest))
            .apply((digest) => mirrorPod(settings, digest, hostAliases)),
        },
      },
      inside,
    );
    const service = new Service(
      name,
      {
        // Not waited for: its address is known at once, and runners do not need the mirror.
        metadata: { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } },
        spec: { selector: mirrorLabels, ports: [{ name: "registry", port: mirrorPort, targetPort: "registry" }] },
      },
      inside,
    );
    // With its id: of a Service that is still to be made, a preview has an address of the cluster's dry run, not its own.
    this.url = pulumi.all([service.spec.clusterIP, service.id]).apply(([address]) => urlOf(address));
    this.registerOutputs({ url: this.url });
  }

  private checked(name: string, given: object): MirrorSettings {
    const parsed = schema.safeParse(given);
    const errors = parsed.success ? mirrorErrors(parsed.data) : schemaErrors(schema, parsed.error.issues);
    refuseInvalid(`RegistryMirror ${name}`, errors, this);
    return parsed.data!;
  }

  private claim(name: string, { size = "20Gi", storageClassName }: MirrorSettings, metadata: object): void {
    new PersistentVolumeClaim(
      `${name}-data`,
      {
        // A class may wait for the pod, which comes after it.
        metadata: { ...metadata, annotations: { "pulumi.com/skipAwait": "true" } },
        spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage: size } } },
      },
      { parent: this },
    );
  }
}

/** Where somebody who may not dry-run previews a change of the Service, its address is not told. */
function urlOf(address: string | undefined): string {
  if (address === undefined && pulumi.runtime.isDryRun()) {
    return pulumi.unknown as unknown as string;
  }
  return `http://${isIPv6(address ?? "") ? `[${address}]` : address}:${mirrorPort}`;
}
