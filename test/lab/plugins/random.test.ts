import * as random from "@pulumi/random";
import type { Stack } from "@pulumi/pulumi/automation";
import assert from "node:assert/strict";
import { failure, removed, stackOf, stateText } from "./program";

interface Drawn {
  id: string;
  hex: string;
  text: string;
  password: string;
}

describe("the random plugin", () => {
  let stack: Stack;
  let keeper = "one";
  let length = 12;

  before(async () => {
    stack = await stackOf("plugin-random", async () => {
      const keepers = { keeper };
      const id = new random.RandomId("id", { byteLength: 4, prefix: "r-", keepers });
      const text = new random.RandomString("text", { length, special: false, minUpper: 2, keepers });
      const password = new random.RandomPassword("password", { length: 24 });
      return { id: id.id, hex: id.hex, text: text.result, password: password.result };
    });
  });

  after(() => removed(stack));

  const drawn = async (): Promise<Drawn> => {
    const { outputs } = await stack.up();
    return Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value])) as unknown as Drawn;
  };

  it("draws once, and keeps what it drew", async () => {
    const first = await drawn();
    assert.match(first.hex, /^r-[0-9a-f]{8}$/);
    assert.match(first.text, /^[A-Za-z0-9]{12}$/);
    assert.equal(`r-${Buffer.from(first.id, "base64url").toString("hex")}`, first.hex);
    await stack.preview({ expectNoChanges: true });
    await stack.refresh({ expectNoChanges: true });
    assert.deepEqual(await drawn(), first);
  });

  it("draws again what has a new keeper, and nothing else", async () => {
    const first = await drawn();
    keeper = "two";
    const second = await drawn();
    assert.notEqual(second.hex, first.hex);
    assert.notEqual(second.text, first.text);
    assert.equal(second.password, first.password);
  });

  it("keeps a password secret", async () => {
    const { password } = await drawn();
    assert.equal(password.length, 24);
    assert.ok(!(await stateText(stack)).includes(password));
    assert.equal((await stack.outputs()).password!.secret, true);
  });

  it("refuses what cannot be drawn", async () => {
    length = 1;
    assert.match(await failure(stack.up()), /length/);
    length = 12;
  });
});
