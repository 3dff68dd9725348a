/**
 * Property tests draw the same examples in every run, so that a change is judged by what it did and not by chance.
 * To look further: `FC_SEED=$RANDOM npm test`. A failure prints its seed, and belongs into a test of its own.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20261121) });
