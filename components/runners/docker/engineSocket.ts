/**
 * Where the pod has the folder of the Docker socket: the node's, or that of its own engine. The folder, not the file:
 * Docker makes the file again when it starts, and a mounted file would stay the dead one. Nor does a container runtime make
 * a folder in the file's place, which would keep Docker from starting, when a container is started while Docker is down.
 */
export const socketFolder = "/docker-socket";

/** The socket of the engine in the runner's own pod: the same path for the engine, the manager and what jobs mount. */
export const engineSocket = `${socketFolder}/docker.sock`;
