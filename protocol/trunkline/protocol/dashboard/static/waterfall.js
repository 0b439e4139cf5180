// The trips of sampled messages, each a row of bars on one scale.

import { UNKNOWN, span } from "./format.js";
import { Rows, fill } from "./rows.js";
import { svg } from "./spark.js";

/** The parts of a trip, in their order; each ends at a moment of the message's life. */
export const PARTS = [
  { moment: "published", name: "gathered" },
  { moment: "picked_up", name: "queued" },
  { moment: "handling", name: "held for a slot" },
  { moment: "handled", name: "handled" },
  { moment: "committed", name: "committed" },
  { moment: "written", name: "delivered" },
];
const WORDS = {
  read: "frame read",
  published: "published",
  picked_up: "picked up",
  handling: "handler begins",
  handled: "handled",
  committed: "committed",
  written: "written",
};
const SHOWN = 16;
const LABEL = 3; // percent of the lane that a number needs
const HAIR = 0.2;
const FINE = new Set(["ok", ""]);

/** Bars of a message: name, number and meaning of each part, and where it begins and ends, in milliseconds from the
    frame's reading. Parts between which nobody told a moment are one, of which nobody knows more. Pure. */
export function bars(message) {
  const found = [];
  let [from, since, untold] = [0, "read", false];
  PARTS.forEach(({ moment, name }, at) => {
    const to = message.ms[moment];
    if (typeof to !== "number") {
      untold = true;
      return;
    }
    const meaning = `${WORDS[since]} → ${WORDS[moment]}`;
    const end = Math.max(from, to);
    found.push({ number: untold ? "?" : at + 1, name: untold ? "not told" : name, meaning, from, to: end });
    [from, since, untold] = [end, moment, false];
  });
  return found;
}

/** End of a scale that holds this much, and its step: 1, 2 or 5 times a power of ten, five steps at most. Pure. */
export function scaleFor(most) {
  const rough = Math.max(most, 1e-3) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough * 0.999) * power;
  return { step, end: Math.max(1, Math.ceil(most / step - 1e-6)) * step };
}

const totalOf = (message) => bars(message).at(-1)?.to ?? 0;

/** The section with its list, its scale and its legend. */
export class Waterfall {
  #section = document.getElementById("waterfall");
  #rows = new Rows("trips", "trip");
  #messages = [];
  #order = "newest";

  constructor() {
    this.#legend();
    for (const choice of this.#section.querySelectorAll("input[name=order]")) {
      choice.addEventListener("change", () => {
        this.#order = choice.value;
        this.#draw();
      });
    }
    const trips = document.getElementById("trips");
    const held = document.getElementById("held");
    const look = () => {
      held.hidden = !this.#isLookedAt();
      if (held.hidden) this.#draw();
    };
    for (const name of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      trips.addEventListener(name, () => setTimeout(look));
    }
    trips.addEventListener("click", ({ target }) => this.#toggle(target.closest("button")));
  }

  /** Takes the messages as they are now; shown at once, but for a list that somebody reads. */
  show(messages) {
    this.#messages = messages;
    if (!this.#isLookedAt()) this.#draw();
  }

  #isLookedAt() {
    const trips = document.getElementById("trips");
    return trips.childElementCount > 0 && (trips.matches(":hover") || trips.matches(":focus-within"));
  }

  #toggle(button) {
    if (!button) return;
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", open);
    button.nextElementSibling.hidden = !open;
  }

  #legend() {
    PARTS.forEach(({ name, moment }, number) => {
      const since = number ? PARTS[number - 1].moment : "read";
      const item = document.createElement("li");
      const key = document.createElement("span");
      key.className = "key";
      key.dataset.part = number + 1;
      key.textContent = number + 1;
      const words = document.createElement("span");
      words.textContent = `${name}: ${WORDS[since]} → ${WORDS[moment]}`;
      item.append(key, words);
      document.getElementById("legend").append(item);
    });
  }

  #draw() {
    const sorted = [...this.#messages].sort(this.#order === "slowest"
      ? (one, other) => totalOf(other) - totalOf(one)
      : (one, other) => (one.at < other.at ? 1 : -1));
    const shown = sorted.slice(0, SHOWN);
    const scale = scaleFor(Math.max(0, ...shown.map(totalOf)));
    this.#drawScale(shown.length ? scale : null);
    this.#rows.show(shown, (message) => message.id, (element, message) => this.#row(element, message, scale));
  }

  #drawScale(scale) {
    const steps = scale ? Math.round(scale.end / scale.step) : -1;
    document.getElementById("scale").replaceChildren(...Array.from({ length: steps + 1 }, (_, at) => {
      const mark = document.createElement("span");
      mark.style.left = `${(at / steps) * 100}%`;
      mark.textContent = at ? span((at * scale.step) / 1000) : "0";
      return mark;
    }));
  }

  #row(element, message, scale) {
    const parts = bars(message);
    const name = message.route || message.channel;
    fill(element, {
      route: name,
      attempt: message.attempt > 1 ? `attempt ${message.attempt}` : "",
      outcome: FINE.has(message.outcome) ? "" : message.outcome,
      total: span(totalOf(message) / 1000),
    });
    element.querySelector(".lane").replaceChildren(drawn(parts, scale.end));
    element.querySelector(".figures").replaceChildren(...[
      ...parts.map(({ number, meaning, from, to }) => [`${number} ${meaning}`, span((to - from) / 1000)]),
      ["route", message.route || UNKNOWN],
      ["channel", message.channel],
      ["path", message.path || UNKNOWN],
      ["worker", message.worker || UNKNOWN],
      ["interface server", message.interface],
      ["attempt", message.attempt ? String(message.attempt) : UNKNOWN],
      ["outcome", message.outcome || UNKNOWN],
      ["frames", message.events === null ? UNKNOWN : String(message.events)],
      ["read at", `${message.at.slice(11, 23)} UTC`],
    ].map(pair));
    // For who points at the row, without opening it.
    element.querySelector("button").title =
      [name, ...parts.map((part) => `${part.name} ${span((part.to - part.from) / 1000)}`)].join("\n");
  }
}

function pair([term, text]) {
  const group = document.createElement("div");
  const dt = document.createElement("dt");
  const dd = document.createElement("dd");
  dt.textContent = term;
  dd.textContent = text;
  group.append(dt, dd);
  return group;
}

function drawn(parts, end) {
  const lane = svg("svg", { class: "bars", width: "100%", height: "20" });
  for (const { number, from, to } of parts) {
    const [x, width] = [(from / end) * 100, ((to - from) / end) * 100];
    // A bar that is too short to be seen is a hair, so that no part is missing.
    const bar = svg("rect", { x: `${x}%`, y: 2, width: `${Math.max(width, HAIR)}%`, height: 16, rx: 2, "data-part": number });
    lane.append(bar);
    if (width > LABEL) {
      const label = svg("text", { x: `${x + width / 2}%`, y: 10.5, "data-part": number });
      label.textContent = number;
      lane.append(label);
    }
  }
  return lane;
}
