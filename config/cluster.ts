import { setTimeout as sleep } from "node:timers/promises";
import type { KubeConfig } from "@kubernetes/client-node";

const nowhere = "http://localhost:8080";

/**
 * The cluster that kubectl would use.
 *
 * @param kubeconfig path of the file; default: what kubectl uses
 * @throws when there is no such file, or none at all
 */
export async function clusterOf(kubeconfig: string | undefined, context: string | undefined): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (kubeconfig === undefined) {
    config.loadFromDefault();
    // What the library takes where it finds nothing, and kubectl of old took.
    if (config.getCurrentContext() === "loaded-context" && config.getCurrentCluster()?.server === nowhere) {
      throw new Error("There is no kubeconfig: set KUBECONFIG, or give --kubeconfig FILE.");
    }
  } else {
    config.loadFromFile(kubeconfig);
  }
  if (context !== undefined) {
    config.setCurrentContext(context);
  }
  return config;
}

/** Waits for a cluster's answer. @throws when it gives none for a while */
export async function answered<T>(config: KubeConfig, asked: Promise<T>): Promise<T> {
  const seconds = 15;
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(
      `The cluster at ${config.getCurrentCluster()?.server} does not answer within ${seconds} s. Is it on, and reached from here?`,
    );
  });
  return Promise.race([asked, late]);
}
