// What is known of a domain, its score on the confirmed sentences, its archive, and its end.

import * as api from "./api.js";
import { sameSpan } from "./compare.js";
import { $, attempt, button, download, fill, h, plural, tell } from "./dom.js";
import { state, trained } from "./state.js";

const BINS = 10; // of a reliability curve, each of so many entities at least:
const LEAST = 8;

let page = null;
let drawn = null; // name and version of the card on screen

export function setUpCard(given) {
  page = given;
  $("#upload").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) attempt(() => upload(file));
  });
}

async function upload(file) {
  const name = file.name.replace(/\.zip$/i, "");
  await api.uploadDomain(name, file);
  await page.reload();
  page.showDomain(name);
}

export async function drawCard() {
  const name = state.domain;
  const version = state.domains.find((row) => row.name === name)?.version;
  if (drawn === `${name} ${version}`) return;
  drawn = `${name} ${version}`;
  if (!name) return fill($("#card"), h("p", { class: "note" }, "No domain is chosen: the types alone say what to find."));
  const known = await attempt(() => api.get(api.domainPath(name)));
  if (!known || name !== state.domain) return undefined;
  const { card } = known;
  const held = card.metrics?.held_out;
  return fill(
    $("#card"),
    facts(known),
    held && f1Bars(`F1 by type, on ${plural(held.sentences, "sentence")} held out`, Object.entries(held.f1_by_type)),
    curve("How far its scores can be trusted", card.calibration?.bins ?? []),
    bars("Learnt from", Object.entries(card.statistics?.splits?.train?.types ?? {}), String),
    bars("Sources", Object.entries(card.sources ?? {}).sort((a, b) => b[1] - a[1]), (weight) => `${(100 * weight).toFixed(0)} %`),
    buttons(name),
    h("div", { id: "scored" }),
  );
}

function facts({ card, bytes, version }) {
  const sentences = card.statistics?.splits?.train?.sentences;
  const rows = [
    ["F1 on dev", typeof card.metrics?.dev_f1 === "number" ? card.metrics.dev_f1.toFixed(1) : "–"],
    ["sentences", sentences ?? "–"],
    ["made by", card.strategy],
    ["made", card.created?.slice(0, 16).replace("T", " ")],
    ["size", `${Math.round(bytes / 1000)} kB`],
    ["backbone", card.backbone],
    ["version", version],
  ];
  return h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
}

// Bars of lengths in proportion, each with its figure.
function bars(title, pairs, words, most = Math.max(...pairs.map(([, value]) => value ?? 0), 0.001)) {
  if (!pairs.length) return null;
  const items = pairs.map(([name, value]) =>
    h("li", {}, h("span", { dir: "auto" }, name), h("meter", { min: 0, max: most, value: value ?? 0, "aria-hidden": "true" }), h("b", {}, String(words(value)))),
  );
  return h("div", {}, h("h3", {}, title), h("ul", { class: "bars" }, items));
}

const f1Bars = (title, pairs) => bars(title, pairs, (f1) => f1?.toFixed(1) ?? "–", 100);

// A reliability curve of [entities, mean score, share that is right]: honest scores lie on the dotted line.
function curve(title, bins) {
  const all = bins.reduce((sum, [count]) => sum + count, 0);
  if (!all) return null;
  const x = (score) => 24 + 136 * score;
  const y = (right) => 146 - 136 * right;
  const words = bins.map(([, score, right]) => `${score.toFixed(2)}: ${(100 * right).toFixed(0)} %`).join(", ");
  return h(
    "div", { class: "chart curve" },
    h("h3", {}, title),
    h(
      "svg", { viewBox: "0 0 166 166", role: "img", "aria-label": `Share that is right by score. ${words}` },
      [0, 1].map((end) => [h("line", { x1: x(0), x2: x(1), y1: y(end), y2: y(end) }), h("line", { x1: x(end), x2: x(end), y1: y(0), y2: y(1) })]),
      h("line", { class: "ideal", x1: x(0), x2: x(1), y1: y(0), y2: y(1) }),
      h("polyline", { class: "loss", points: bins.map(([, score, right]) => `${x(score)},${y(right)}`).join(" ") }),
      bins.map(([count, score, right]) => h("circle", { cx: x(score), cy: y(right), r: 2 + 6 * Math.sqrt(count / all) }, h("title", {}, `${count} entities of about ${score.toFixed(2)}: ${(100 * right).toFixed(0)} % right`))),
      [0, 0.5, 1].map((tick) => [h("text", { x: x(tick), y: 160, "text-anchor": "middle" }, String(tick)), h("text", { x: 20, y: y(tick) + 3, "text-anchor": "end" }, String(tick))]),
    ),
    h("p", { class: "note" }, `Across: the score. Up: the share of such entities that is right. On the dotted line both agree (${plural(all, "entity", "entities")}).`),
  );
}

function buttons(name) {
  return h(
    "div", { class: "buttons" },
    button("Score on my sentences", () => scoreIt(name)),
    button("Download", async () => download(`${name}.zip`, await api.fetchBlob(api.domainPath(name, "/archive")))),
    button("Delete", () => deleteIt(name)),
  );
}

async function scoreIt(name) {
  const rows = trained();
  if (!rows.length) throw new Error("Confirm some sentences first: they are what a domain is scored on.");
  const result = await api.post(api.domainPath(name, "/evaluate"), { sentences: api.outgoing(rows) });
  const perType = Object.entries(result.per_type).map(([type, one]) => [type, one.support ? one.f1 : null]);
  fill(
    $("#scored"),
    f1Bars(`F1 ${result.f1.toFixed(1)} on ${plural(rows.length, "sentence")}`, perType),
    curve("Score, and share that is right", await reliability(name, rows)),
    h("p", { class: "note" }, "If it was trained on these, that is no fair test."),
  );
}

// The entities of the confirmed sentences in bins of about as many, by rising score.
async function reliability(name, rows) {
  const found = [];
  const got = (i, entities) => {
    for (const entity of entities) found.push([entity.score, rows[i].marks.some((mark) => sameSpan(mark, entity))]);
  };
  await api.predict(rows.map((row) => row.text), { domain: name }, got);
  found.sort(([a], [b]) => a - b);
  const size = Math.max(LEAST, Math.ceil(found.length / BINS));
  const mean = (bin, part) => bin.reduce((sum, one) => sum + one[part], 0) / bin.length;
  return Array.from({ length: Math.ceil(found.length / size) || 0 }, (_, i) => found.slice(i * size, (i + 1) * size)).map((bin) => [bin.length, mean(bin, 0), mean(bin, 1)]);
}

async function deleteIt(name) {
  if (!(await page.sure(`Delete the domain ${name} from the server? It can't be undone.`))) return;
  await api.remove(api.domainPath(name));
  await page.reload();
  page.showDomain(null);
  tell(`${name} is deleted.`);
}
