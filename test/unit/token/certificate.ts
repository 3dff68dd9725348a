import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate of its own for a name, good for so many days: its own CA. */
export function certificate(name: string, days: number): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-tls-"));
  const file = (end: string): string => join(folder, end);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const request = ["req", "-new", ...curve, ...names, "-keyout", file("key"), "-out", file("csr")];
  const sign = ["x509", "-req", "-in", file("csr"), "-signkey", file("key"), "-days", String(days)];
  try {
    execFileSync("openssl", request, { stdio: "ignore" });
    execFileSync("openssl", [...sign, "-copy_extensions", "copy", "-out", file("pem")], { stdio: "ignore" });
    return { key: readFileSync(file("key")), cert: readFileSync(file("pem")) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
