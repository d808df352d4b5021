// A small line of numbers over time, one stroke for each series; the newest at the right.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 28;
const EDGE = 2;

export class Sparkline {
  node = document.createElementNS(SVG, "svg");
  #lines;

  // `kinds` are the classes of the lines.
  constructor(kinds) {
    this.node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute("class", "sparkline");
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("aria-hidden", "true");
    this.#lines = kinds.map((kind) => {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("class", kind);
      this.node.append(line);
      return line;
    });
  }

  // As many series as there are lines; null where a number is not known. `places` is how many fit in the width.
  draw(series, places) {
    const highest = Math.max(1, ...series.flat().filter((value) => value !== null));
    series.forEach((values, index) => {
      const first = places - values.length;
      const points = values.flatMap((value, at) => {
        if (value === null) return [];
        const x = ((first + at) / (places - 1)) * WIDTH;
        return [`${x.toFixed(1)},${(HEIGHT - EDGE - (value / highest) * (HEIGHT - 2 * EDGE)).toFixed(1)}`];
      });
      this.#lines[index].setAttribute("points", points.join(" "));
    });
  }
}
