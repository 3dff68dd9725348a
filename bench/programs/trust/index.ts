/** RegistryTrust alone, with the settings that the bench puts into the file BENCH_TRUST. */
import { readFileSync } from "node:fs";
import type { RegistryTrustArgs } from "../../../components/registryTrust/args";
import { RegistryTrust } from "../../../components/registryTrust/registryTrust";

const settings = JSON.parse(readFileSync(process.env.BENCH_TRUST!, "utf8")) as RegistryTrustArgs;

new RegistryTrust("bench", settings);
