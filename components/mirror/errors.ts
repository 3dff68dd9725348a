import type { InputError } from "../inputErrors";
import { oneError, urlError } from "../runners/errors";
import type { MirrorSettings } from "./settings";

/** Settings with which there would be no mirror, or not the one that was meant. */
export function mirrorErrors(settings: MirrorSettings): InputError[] {
  const { username, password, hostFolder, nodeSelector } = settings;
  const claim = (["size", "storageClassName"] as const).filter((key) => settings[key] !== undefined);
  return [
    ...oneError("remoteUrl", urlError(settings.remoteUrl)),
    ...oneError("password", username !== undefined && password === undefined ? "is missing for username" : undefined),
    ...oneError("username", password !== undefined && username === undefined ? "is missing for password" : undefined),
    ...(hostFolder === undefined
      ? []
      : claim.map((key) => ({
          propertyPath: key,
          reason: "is of a claim, and hostFolder stands in its place; drop one of them",
        }))),
    ...oneError(
      "nodeSelector",
      hostFolder !== undefined && Object.keys(nodeSelector ?? {}).length === 0
        ? "is missing: hostFolder is on one node; say which, such as {kubernetes.io/hostname: node1}"
        : undefined,
    ),
  ];
}
