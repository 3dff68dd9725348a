import { z } from "zod";
import { images } from "../runners/images";
import { podSettings } from "../runners/settings";
import { about, optional, secret, table, text } from "../schema";

/** Docker Hub's registry, the only one that Docker asks a mirror for. */
export const dockerHub = "https://registry-1.docker.io";

/** What a stack file says of the pull-through mirror, whether there is one apart. */
export const mirrorSettings = {
  remoteUrl: about(
    text.default(dockerHub),
    "Registry that is mirrored. Docker asks mirrors for images of Docker Hub only: another one has to have the same images.",
  ),
  username: optional(text, { description: "User at `remoteUrl`, for its limits.", defaultText: "none, anonymous" }),
  password: secret(
    "Password or access token of `username`. Whoever reaches the mirror can pull what that user may pull.",
  ),
  image: about(text.default(images.registry), "Image of the registry (CNCF distribution, `registry` on Docker Hub)."),
  size: optional(text, {
    description: "Size of the volume claim for what was pulled, as Kubernetes writes quantities.",
    defaultText: "`20Gi`",
  }),
  storageClassName: optional(text, { description: "StorageClass of the claim.", defaultText: "the cluster's" }),
  hostFolder: optional(
    z.string().regex(/^(\/(?!\.\.(\/|$))[\w.@+-]+)+$/, {
      error: 'must be a path such as "/mnt/ssd/mirror": letters, digits and ._@+-, without ".."',
    }),
    {
      description:
        "Folder on the node in place of a claim; `nodeSelector` has to lead to that node. It stays when the mirror goes.",
      defaultText: "a claim",
    },
  ),
  nodeSelector: optional(table, { description: "Labels of the node that gets the mirror.", defaultText: "any" }),
  tolerations: about(podSettings.tolerations, { description: "Taints that it tolerates.", defaultText: "none" }),
};

/** The settings with their defaults. */
export type MirrorSettings = z.output<z.ZodObject<typeof mirrorSettings>>;
