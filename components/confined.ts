/** What a pod of ours is kept to where nothing that it does needs more: what the level `restricted` of Pod Security asks for. */

/** @param user its user and group, by number */
export const confinedPod = (user: number) => ({
  runAsNonRoot: true,
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  seccompProfile: { type: "RuntimeDefault" },
});

export const confinedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};
