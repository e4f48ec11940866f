// Reads a graph in Graphviz's language on standard input and writes it as SVG on standard output.
import { text } from "node:stream/consumers";
import { Graphviz } from "@hpcc-js/wasm-graphviz";

const graphviz = await Graphviz.load();
process.stdout.write(graphviz.dot(await text(process.stdin), "svg"));
