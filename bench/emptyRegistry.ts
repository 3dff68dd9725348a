/** A stand-in for a registry without images, as the nodes ask each new registry for a manifest: any answer will do. */
import { createServer } from "node:http";
import { once } from "node:events";
import { machine } from "../lab/machine/places";
import { whenDone } from "./stops";

const port = 5099;

/** Its address in image names, plain HTTP. */
export const registry = `${machine}:${port}`;

/** Starts it; the lab's network must be there. */
export async function startEmptyRegistry(): Promise<void> {
  const server = createServer((request, response) => {
    const found = request.url === "/v2/";
    response.writeHead(found ? 200 : 404, { "Docker-Distribution-Api-Version": "registry/2.0" });
    response.end(found ? "{}" : '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  server.listen(port, machine);
  await once(server, "listening");
  whenDone("the empty registry", async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
}
