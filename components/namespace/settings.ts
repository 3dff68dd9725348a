import { z } from "zod";
import { about, port, table } from "../schema";

/** What a stack file says of the namespace, beyond its name. */
export const namespaceSettings = {
  metricsFrom: about(table.default({}), {
    description:
      "Labels of the namespaces whose pods may read the runners' metrics: `{kubernetes.io/metadata.name: monitoring}`.",
    defaultText: "none may",
  }),
  egressPorts: about(z.array(port).default([]), {
    description: "Further TCP ports that runner pods may reach, such as an S3 cache's.",
    defaultText: "only DNS and GitLab's",
  }),
  quota: about(table.default({}), {
    description:
      "Hard limits of the namespace's ResourceQuota. Not of pods: those of a DaemonSet beyond it would wait without an end.",
    defaultText: "no load balancers, node ports or storage claims",
  }),
};
