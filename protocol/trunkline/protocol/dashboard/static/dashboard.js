// The dashboard: a stream of events in, figures out. It asks for nothing else and changes nothing.

import { UNKNOWN, bytes, count, percent, rate, span } from "./format.js";
import { Rows, copy, fill } from "./rows.js";
import { Spark } from "./spark.js";
import { Waterfall } from "./waterfall.js";

const KEPT = 90;
const STALE_AFTER = 3; // intervals without an event
const AGAIN_MS = 5_000; // after a stream that the browser has given up
const ROLES = { interface: "interface server", worker: "worker", redis: "Redis" };
const LEVELS = { error: "Critical", warning: "Warning", note: "Note" };

const TILES = [
  ["in_per_s", "Messages in", "/s", rate],
  ["handled_per_s", "Handled", "/s", rate],
  ["out_per_s", "Messages out", "/s", rate],
  ["connections", "Connections", "open", count],
  ["waiting", "Waiting", "entries", count],
  ["wait_s", "Longest wait", "", span],
  ["failed_per_s", "Failed", "/s", rate],
  ["dead_letters", "Dead letters", "kept", count],
];

const element = (id) => document.getElementById(id);

// ---- figures ----

const tiles = TILES.map(([field, name, unit, words]) => {
  const tile = copy("tile");
  tile.dataset.field = field;
  tile.querySelector("dt").textContent = name;
  tile.querySelector(".unit").textContent = unit;
  const spark = new Spark(KEPT, words);
  tile.querySelector(".past").append(spark.element);
  element("tiles").append(tile);
  return {
    show(totals) {
      tile.querySelector(".value").textContent = words(totals[field]);
      tile.toggleAttribute("data-bad", ["failed_per_s", "dead_letters"].includes(field) && totals[field] > 0);
    },
    add: (totals) => spark.add(totals?.[field] ?? null),
    replace: (past) => spark.replace(past.map((totals) => totals?.[field] ?? null)),
  };
});

const processes = new Rows("processes", "process");
const channels = new Rows("channels", "channel");
const routes = new Rows("routes", "route");
const findings = new Rows("finding-list", "finding");
const waterfall = new Waterfall();

const perSecond = (value) => typeof value === "number" ? `${rate(value)}/s` : UNKNOWN;

function loadOf({ role, busy, room }) {
  if (room) return `${rate(busy)} of ${plural(room, "slot")}`;
  return typeof busy === "number" ? plural(busy, role === "redis" ? "client" : "connection") : UNKNOWN;
}

function showProcess(row, it, state, at_s) {
  const full = it.room ? Math.min(1, it.busy / it.room) : 0;
  row.dataset.role = it.role;
  row.toggleAttribute("data-bad", !it.answers);
  fill(row, {
    role: ROLES[it.role] ?? it.role,
    id: it.id,
    note: it.answers ? "" : `does not answer: ${it.error}`,
    host: it.pid ? `${it.host} [${it.pid}]` : it.host,
    load: loadOf(it),
    rate: perSecond(it.per_s),
    cpu: percent(it.cpu),
    memory: bytes(it.memory_bytes),
    lag: span(it.lag_s),
    up: span(it.uptime_s),
  });
  row.querySelector(".bar").hidden = !it.room;
  row.querySelector(".bar i").style.width = `${full * 100}%`;
  row.querySelector(".bar").toggleAttribute("data-full", full > 0.9);
  if (!state.spark) row.querySelector(".past").append((state.spark = new Spark(KEPT, rate)).element);
  if (state.at_s !== at_s) state.spark.add(it.per_s);
  state.at_s = at_s;
}

function showChannel(row, it) {
  fill(row, {
    name: it.name,
    waiting: count(it.waiting),
    inWork: count(it.in_work),
    handled: perSecond(it.per_s),
    wait: span(it.wait_s),
    mean: span(it.mean_wait_s),
    most: span(it.p99_wait_s),
  });
}

function showRoute(row, it) {
  fill(row, {
    name: it.name,
    rate: perSecond(it.per_s),
    mean: span(it.mean_s),
    most: span(it.p99_s),
    failed: it.failed_per_s > 0 ? perSecond(it.failed_per_s) : "0",
  });
  row.toggleAttribute("data-bad", it.failed_per_s > 0);
}

function showFinding(row, it) {
  row.dataset.level = it.severity;
  for (const [selector, text] of Object.entries({
    ".level": LEVELS[it.severity] ?? it.severity, h3: it.where, ".text": it.what, ".fix": it.fix,
  })) {
    const part = row.querySelector(selector);
    part.textContent = text;
    part.hidden = !text;
  }
}

function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

let shownAt = null; // of the totals that the sparklines end with

function show(facts) {
  const { at_s } = facts.totals;
  for (const tile of tiles) {
    tile.show(facts.totals);
    // Who comes back is given the past, and the newest event once more.
    if (at_s !== shownAt) tile.add(facts.totals);
  }
  shownAt = at_s;
  processes.show(facts.processes, (it) => it.id, (row, it, state) => showProcess(row, it, state, at_s));
  channels.show(facts.channels, (it) => it.name, showChannel);
  routes.show(facts.routes, (it) => it.name, showRoute);
  findings.show(facts.findings, (it) => `${it.check} ${it.where}`, showFinding);
  element("findings").hidden = facts.findings.length === 0;
  waterfall.show(facts.messages);
  const of = (role) => facts.processes.filter((it) => it.role === role).length;
  element("summary").textContent = `${plural(of("interface"), "interface server")}, ${plural(of("worker"), "worker")}`;
}

// ---- what is wrong ----

/** What an operator has to know before the figures: level and sentence. Pure. */
export function alertsOf(facts) {
  const alerts = [];
  const has = (role) => facts.processes.some((it) => it.role === role);
  if (facts.trouble) alerts.push(["error", facts.trouble]);
  else if (!has("worker")) alerts.push(["error", "No worker lives: messages wait until one is started."]);
  if (!facts.trouble && !has("interface")) alerts.push(["error", "No interface server lives: nobody can connect."]);
  for (const { shard, why } of facts.away ?? []) alerts.push(["error", `Shard ${shard} does not answer: ${why}`]);
  const silent = facts.processes.filter((it) => !it.answers);
  if (silent.length) alerts.push(["warning", `No figures from ${silent.map((it) => it.id).join(", ")}: no answer at the admin port.`]);
  return alerts;
}

function showAlerts(alerts) {
  const text = JSON.stringify(alerts);
  const box = element("alerts");
  if (box.dataset.shown === text) return; // or it would be read aloud again
  box.dataset.shown = text;
  box.replaceChildren(...alerts.map(([level, sentence]) => {
    const line = document.createElement("p");
    line.className = "alert";
    line.dataset.level = level;
    const word = document.createElement("strong");
    word.textContent = LEVELS[level];
    line.append(word, ` ${sentence}`);
    return line;
  }));
}

// ---- the stream ----

let intervalMs = 2_000;
let seenAt = null; // of the last event, by this browser's clock
let factAlerts = [];
let troubleAlerts = [];
let refused = "";

function stateNow(now) {
  if (refused) return "refused";
  if (seenAt === null) return "connecting";
  if (now - seenAt > STALE_AFTER * intervalMs) return "stale";
  return troubleAlerts.length ? "trouble" : "live";
}

const STATES = {
  connecting: "Connecting",
  live: "Live",
  stale: "Stale",
  trouble: "Redis away",
  refused: "Waiting",
};

function tick() {
  const now = performance.now();
  const state = stateNow(now);
  if (document.body.dataset.state !== state) {
    document.body.dataset.state = state;
    element("state").textContent = STATES[state];
    document.title = state === "live" ? "Trunkline" : `${STATES[state]} · Trunkline`;
  }
  element("age").textContent = state === "stale" ? `figures are ${span(Math.round((now - seenAt) / 1000))} old` : "";
  const alerts = [...troubleAlerts, ...factAlerts];
  if (state === "stale") alerts.unshift(["error", "No events come any more: the figures below are old. Trying again."]);
  if (state === "refused") alerts.unshift(["warning", `${refused}; trying again in half a minute.`]);
  showAlerts(alerts);
}

const on = {
  hello({ interval_s, past }) {
    intervalMs = interval_s * 1000;
    refused = "";
    for (const tile of tiles) tile.replace(past);
    shownAt = past.at(-1)?.at_s ?? null;
  },
  facts(facts) {
    seenAt = performance.now();
    troubleAlerts = facts.trouble ? [["error", facts.trouble]] : [];
    factAlerts = alertsOf({ ...facts, trouble: "" });
    if (facts.trouble) factAlerts = [];
    show(facts);
  },
  trouble({ text }) {
    seenAt = performance.now();
    troubleAlerts = [["error", `${text}. The figures below are from before.`]];
    factAlerts = [];
  },
  refused({ text }) {
    refused = text;
  },
};

function connect() {
  const source = new EventSource("dashboard/events");
  for (const [name, take] of Object.entries(on)) {
    source.addEventListener(name, ({ data }) => {
      take(JSON.parse(data));
      tick();
    });
  }
  source.addEventListener("error", () => {
    // It tries again by itself, but not after an answer that is no stream: a proxy's, or of a server that begins.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS);
  });
}

connect();
setInterval(tick, 500);
