/** Bars for a page of docs, as SVG. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Plot {
  /** Name of the file, without its ending. */
  name: string;
  title: string;
  /** What the bars measure, with the unit. */
  axis: string;
  bars: Bar[];
}

interface Bar {
  /** One row of the plot. */
  of: string;
  /** One colour. */
  series: string;
  value: number;
}

export async function writePlot(file: string, { title, axis, bars }: Plot): Promise<void> {
  // Cannot be required: they are ESM only.
  const [vega, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const order = [...new Set(bars.map(({ of }) => of))];
  const spec = compile({
    title,
    background: "white",
    width: 480,
    data: { values: bars },
    mark: "bar",
    encoding: {
      y: { field: "of", type: "nominal", sort: order, title: null },
      yOffset: { field: "series" },
      x: { field: "value", type: "quantitative", title: axis },
      color: { field: "series", type: "nominal", title: null },
    },
  }).spec;
  const svg = await new vega.View(vega.parse(spec), { renderer: "none" }).toSVG();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${svg}\n`);
}
