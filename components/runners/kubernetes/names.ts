/** Names of the objects that one runner consists of, in its namespace. */
export function objectNames(name: string) {
  return {
    deployment: name,
    secret: `${name}-config`,
    /** Settings of Buildah and its like. */
    containers: `${name}-containers`,
    /** Settings of BuildKit. */
    buildkit: `${name}-buildkit`,
    /** The manager's account, its rights, and their binding. */
    manager: `${name}-manager`,
    /** The account of the jobs' pods. */
    jobs: `${name}-jobs`,
    /** What looks after the layers that builds keep on nodes. */
    layers: `${name}-layers`,
  };
}
