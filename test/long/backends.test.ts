import assert from "node:assert/strict";
import { findEngine } from "../../lab/engine/engine";
import { cluster, eventually, up } from "../lab/stack/lab";
import { postgres } from "../../lab/stack/postgres";
import { s3 } from "./s3";
import { teamStack } from "./teamStack";

interface Place {
  url: string;
  env?: Record<string, string>;
  remove(): Promise<void>;
}

const places: Record<string, () => Promise<Place>> = {
  "S3 (versitygw)": s3,
  PostgreSQL: async () => postgres((await findEngine())!, (line) => console.log(line)),
};

/** That it is kept in a folder is what most of the other tests do; interrupted.test.ts has its lock. */
describe("the state of a stack", function () {
  this.timeout(900_000);
  before(() => up());

  for (const [name, make] of Object.entries(places)) {
    it(`is kept in ${name}: deployed, nothing to do from then on, one update at a time, destroyed`, async () => {
      const place = await make();
      const team = await teamStack("kept", place.url, place.env);
      try {
        team.write();
        const first = team.pulumi("up", "--yes", "--skip-preview");
        await eventually("the update makes objects", 120, () =>
          cluster()
            .readNamespace({ name: team.namespace })
            .catch(() => undefined),
        );
        const second = await team.pulumi("up", "--yes", "--skip-preview");
        assert.notEqual(second.code, 0);
        assert.match(second.output, /the stack is currently locked by 1 lock/);
        assert.doesNotMatch(second.output, /pi-lab-secret-key|postgres:\w/);
        const done = await first;
        assert.equal(done.code, 0, done.output);
        const preview = await team.pulumi("preview", "--expect-no-changes");
        assert.equal(preview.code, 0, preview.output);
      } finally {
        await team.remove();
        await place.remove();
      }
      await assert.rejects(cluster().readNamespace({ name: team.namespace }), { code: 404 });
    });
  }
});
