// A sparkline: a line and the ground below it, as inline SVG. It scales with its box; strokes do not.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 100;
const HEIGHT = 24;
const MARGIN = 2;

/** Element of SVG with attributes. */
export function svg(name, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Points of a line through the values, the newest at the right edge; gaps where one is unknown. Pure. */
export function lines(values, kept, ceiling) {
  const step = WIDTH / Math.max(1, kept - 1);
  const height = (value) => HEIGHT - MARGIN - (value / ceiling) * (HEIGHT - 2 * MARGIN);
  const parts = [];
  let part = null;
  values.forEach((value, at) => {
    if (typeof value !== "number") {
      part = null;
      return;
    }
    if (part === null) parts.push((part = []));
    part.push([WIDTH - (values.length - 1 - at) * step, height(value)]);
  });
  return parts;
}

const fixed = (number) => Math.round(number * 100) / 100;
const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${fixed(x)} ${fixed(y)}`).join("");

/** One series of figures over time. */
export class Spark {
  #kept;
  #values = [];
  #element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #ground = svg("path", { class: "spark-ground" });
  #line = svg("path", { class: "spark-line" });
  #end = svg("path", { class: "spark-end" });
  #words;

  /** kept: how many figures it shows; words: one figure in words, for who cannot see the line. */
  constructor(kept, words) {
    this.#kept = kept;
    this.#words = words;
    this.#element.append(this.#ground, this.#line, this.#end);
    this.#draw();
  }

  get element() {
    return this.#element;
  }

  /** Takes a whole past instead of what it had. */
  replace(values) {
    this.#values = values.slice(-this.#kept);
    this.#draw();
  }

  add(value) {
    this.replace([...this.#values, value]);
  }

  #draw() {
    const numbers = this.#values.filter((value) => typeof value === "number");
    const top = Math.max(...numbers, 0);
    const parts = lines(this.#values, this.#kept, top || 1);
    const foot = HEIGHT - MARGIN;
    this.#line.setAttribute("d", parts.map(path).join(""));
    this.#ground.setAttribute(
      "d", parts.map((part) => `${path(part)}L${fixed(part.at(-1)[0])} ${foot}L${fixed(part[0][0])} ${foot}Z`).join(""));
    const last = parts.at(-1)?.at(-1);
    this.#end.setAttribute("d", last ? `M${fixed(last[0] - 0.5)} ${fixed(last[1])}h0` : "");
    this.#element.setAttribute("aria-label", numbers.length
      ? `last ${numbers.length} figures: from ${this.#words(Math.min(...numbers))} to ${this.#words(top)}, now ` +
        this.#words(this.#values.at(-1))
      : "no figures yet");
  }
}
