// Reads a JSON array of D2 sources on standard input and writes the array of their SVGs on standard output.
import { text } from "node:stream/consumers";
import { D2 } from "@terrastruct/d2";

const d2 = new D2();
const pictures = [];
for (const source of JSON.parse(await text(process.stdin))) {
  const { diagram, renderOptions } = await d2.compile(source, { layout: "dagre", pad: -44 });
  pictures.push(await d2.render(diagram, { ...renderOptions, noXMLTag: true }));
}
process.stdout.write(JSON.stringify(pictures), () => process.exit());
