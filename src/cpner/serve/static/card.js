// What is known of a domain, its score on the confirmed sentences, its archive, and its end.

import * as api from "./api.js";
import { sameSpan } from "./compare.js";
import { $, attempt, download, fill, h, plural, tell } from "./dom.js";
import { state, trained } from "./state.js";

const BINS = 5;

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
  return fill($("#card"), facts(known), bars("Learnt from", trainTypes(known.card), (count) => count), sources(known.card), buttons(name), h("div", { id: "scored" }));
}

const trainTypes = (card) => Object.entries(card.statistics?.splits?.train?.types ?? {});

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

const sources = (card) => bars("Sources", Object.entries(card.sources ?? {}).sort((a, b) => b[1] - a[1]), (weight) => `${(100 * weight).toFixed(0)} %`);

// Bars of lengths in proportion, each with its figure.
function bars(title, pairs, words, most = Math.max(...pairs.map(([, value]) => value ?? 0), 0.001)) {
  if (!pairs.length) return null;
  const items = pairs.map(([name, value]) =>
    h("li", {}, h("span", { dir: "auto" }, name), h("meter", { min: 0, max: most, value: value ?? 0, "aria-hidden": "true" }), h("b", {}, String(words(value)))),
  );
  return h("div", {}, h("h3", {}, title), h("ul", { class: "bars" }, items));
}

function buttons(name) {
  const button = (text, action) => h("button", { type: "button", onclick: () => attempt(action) }, text);
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
    bars(`F1 ${result.f1.toFixed(1)} on ${plural(rows.length, "sentence")}`, perType, (f1) => f1?.toFixed(1) ?? "–", 100),
    bars("Score, and share that is right", await reliability(name, rows), (right) => `${(100 * right).toFixed(0)} %`, 1),
    h("p", { class: "note" }, "If it was trained on these, that is no fair test."),
  );
}

// How often entities of about the same score are right: honest scores are right as often as they say.
async function reliability(name, rows) {
  const bins = Array.from({ length: BINS }, () => ({ right: 0, all: 0 }));
  const got = (i, entities) => {
    for (const entity of entities) {
      const bin = bins[Math.min(BINS - 1, Math.floor(BINS * entity.score))];
      bin.all += 1;
      bin.right += rows[i].marks.some((mark) => sameSpan(mark, entity));
    }
  };
  await api.predict(rows.map((row) => row.text), { domain: name }, got);
  const pairs = bins.map(({ right, all }, i) => [`${(i / BINS).toFixed(1)} to ${((i + 1) / BINS).toFixed(1)} (${all})`, all ? right / all : null]);
  return pairs.filter(([, right]) => right !== null);
}

async function deleteIt(name) {
  if (!(await page.sure(`Delete the domain ${name} from the server? It can't be undone.`))) return;
  await api.remove(api.domainPath(name));
  await page.reload();
  page.showDomain(null);
  tell(`${name} is deleted.`);
}
