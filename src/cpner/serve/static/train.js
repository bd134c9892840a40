// Training on the confirmed sentences: into a draft, which is compared with what was there, then installed or discarded.

import * as api from "./api.js";
import { score } from "./compare.js";
import { $, attempt, button, fill, h, plural, tell } from "./dom.js";
import { changed, domainRow, state, trained, typeNames } from "./state.js";
import { countTrained } from "./types.js";
import { save } from "./worksheets.js";

const DRAFT = "-draft";
const LEAST = 5; // sentences
const EFFORTS = { quick: { min_steps: 80, max_epochs: 12 }, full: {} };
const OPEN = ["queued", "running"];

let page = null; // {showDomain, compare, asked, reload}
let training = null; // {id, target, draft, before, test, state, curve, scores}
let watching = null;

export function setUpTraining(given) {
  page = given;
  $("#train").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(start);
  });
}

export function drawTrainingSet() {
  const rows = trained();
  const open = state.rows.filter((row) => row.marks && !row.done).length;
  const counts = [...countTrained()].map(([name, count]) => h("li", {}, h("span", { dir: "auto" }, name), h("b", {}, String(count))));
  $("#set-size").textContent = plural(rows.length, "sentence");
  fill($("#set-counts"), counts);
  const missing = LEAST - rows.length;
  $("#set-note").textContent = [
    missing > 0 ? `Confirm ${plural(missing, "more sentence")} to train.` : heldOutNote(rows),
    open ? `${plural(open, "changed sentence")} not confirmed yet.` : "",
  ].join(" ");
  $("#start").disabled = missing > 0 || isOpen();
}

function heldOutNote(rows) {
  const { train, dev, test } = split(rows);
  const parts = [`${train.length} to learn from`, dev.length ? `${dev.length} to choose the best epoch` : "", `${test.length} held out to compare old and new`];
  return `${parts.filter(Boolean).join(", ")}.`;
}

export function drawTrainForm() {
  if (!$("#target").value) $("#target").value = state.domain?.replace(/-draft$/, "") ?? "";
  const names = state.domains.filter((row) => !row.error && !row.name.endsWith(DRAFT)).map((row) => row.name);
  const picked = new Set([...document.querySelectorAll("#source-list input:checked")].map((input) => input.value));
  fill($("#source-list"), names.map((name) => h("label", {}, h("input", { type: "checkbox", value: name, checked: picked.has(name) }), name)));
  $("#source-list").hidden = $("#sources").value !== "some";
}

// A sentence is held out or not by its text alone, so that it stays so when more are added.
function split(rows) {
  const order = [...rows].sort((a, b) => hash(a.text) - hash(b.text));
  const tests = Math.max(1, Math.round(rows.length / 5));
  const devs = rows.length < 30 ? 0 : Math.round(rows.length / 8);
  return { test: order.slice(0, tests), dev: order.slice(tests, tests + devs), train: order.slice(tests + devs) };
}

function hash(text) {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  return (value ^ (value >>> 15)) >>> 0;
}

const isOpen = () => OPEN.includes(training?.state);

async function start() {
  const target = $("#target").value.trim();
  const { train, dev, test } = split(trained());
  const some = [...document.querySelectorAll("#source-list input:checked")].map((input) => input.value);
  const sources = { auto: "auto", none: [], some }[$("#sources").value];
  const draft = `${target.slice(0, 64 - DRAFT.length)}${DRAFT}`;
  const asked = domainRow(target) ? { domain: target } : page.asked(state.domain);
  const before = asked ? await scoreOf(test, asked) : null;
  if (domainRow(draft)) await api.remove(api.domainPath(draft));
  const job = await api.post("/v1/jobs", {
    kind: "fit", domain: draft, types: typeNames(), sources, settings: EFFORTS[$("#effort").value],
    corpus: { train: api.outgoing(train), dev: api.outgoing(dev), test: api.outgoing(test) },
  });
  training = { id: job.id, target, draft, asked, before, state: job.state, curve: [] };
  training.test = test.map(({ text, marks }) => ({ text, marks }));
  keep();
  await follow();
}

async function scoreOf(rows, asked) {
  const found = [];
  await api.predict(rows.map((row) => row.text), asked, (i, entities) => (found[i] = entities));
  const { f1, perType } = score(rows, found, typeNames());
  return { f1, perType: [...perType] };
}

function keep() {
  state.training = training;
  save();
  drawTraining();
}

// After a reload: go on watching.
export async function resumeWatching() {
  watching?.abort();
  training = state.training;
  drawTraining();
  if (training && !training.after) await attempt(follow);
}

async function follow() {
  watching?.abort();
  watching = new AbortController();
  training.curve = [];
  const got = (event, data) => {
    if (event === "state") training.state = data.state;
    else training.curve.push(data);
    drawTraining();
  };
  try {
    const job = await api.watch(training.id, got, watching.signal);
    training.state = job.state;
    training.error = job.error;
    training.sources = job.result?.sources ?? {};
    if (job.state === "done") await finished();
  } catch (error) {
    if (error.status === 404) training = null; // the server has forgotten it
    keep();
    throw error;
  }
  keep();
}

async function finished() {
  training.after = await scoreOf(training.test, { domain: training.draft });
  await page.reload();
  drawTraining();
  $("#training").scrollIntoView({ block: "nearest" });
  tell(`Trained. F1 on held-out sentences: ${figure(training.after.f1)}.`);
}

const figure = (value) => (value === null || value === undefined ? "–" : value.toFixed(1));

function drawTraining() {
  const box = $("#training");
  box.hidden = !training;
  $("#start").disabled = trained().length < LEAST || isOpen();
  if (!training) return;
  const last = training.curve.at(-1);
  const nodes = [h("p", { class: "state" }, h("b", {}, training.target), ` ${words(last)}`)];
  if (isOpen()) {
    nodes.push(h("progress", { max: last?.total ?? 1, value: last?.done ?? 0, "aria-label": "Training" }));
    nodes.push(h("div", { class: "buttons" }, button("Cancel", cancel)));
  }
  if (["cancelled", "failed"].includes(training.state)) nodes.push(h("div", { class: "buttons" }, button("Go on", goOn), button("Forget it", forget)));
  if (training.after) {
    nodes.push(table(), sourceLine());
    nodes.push(
      h("div", { class: "buttons" }, button("Install", install, { class: "main" }), button("Side by side", sideBySide), button("Discard", discard)),
    );
  }
  if (training.curve.length > 1) nodes.push(chart(training.curve));
  fill(box, nodes);
}

function words(last) {
  if (training.state === "failed") return `failed: ${training.error ?? ""}`;
  if (training.state !== "running") return { queued: "waits for its turn", done: "is trained, as a draft", cancelled: "was stopped" }[training.state];
  if (!last?.epoch) return "is being trained …";
  return `epoch ${last.epoch} of ${last.epochs}, loss ${last.loss.toFixed(3)}${last.dev_f1 === null ? "" : `, dev F1 ${figure(last.dev_f1)}`}`;
}

// Loss, and F1 on the dev sentences if there are any, over the steps.
function chart(curve) {
  const most = Math.max(...curve.map((one) => one.loss ?? 0), 0.001);
  const x = (one) => (300 * curve.indexOf(one)) / (curve.length - 1); // several parts may follow each other
  const line = (value, style) => h("polyline", { class: style, points: curve.filter((one) => value(one) !== null).map((one) => `${x(one).toFixed(1)},${(60 - 56 * value(one)).toFixed(1)}`).join(" ") });
  const first = curve.find((one) => one.loss !== undefined);
  const label = `Loss from ${first?.loss?.toFixed(3) ?? "?"} to ${curve.at(-1).loss?.toFixed(3) ?? "?"}`;
  return h(
    "div", { class: "chart" },
    h("svg", { viewBox: "0 0 300 64", role: "img", "aria-label": label },
      h("line", { x1: 0, x2: 300, y1: 60, y2: 60 }),
      line((one) => (one.loss === undefined ? null : one.loss / most), "loss"),
      line((one) => (one.dev_f1 ?? null) === null ? null : one.dev_f1 / 100, "f1")),
    h("p", { class: "legend" }, h("span", { class: "loss" }, "loss"), curve.some((one) => one.dev_f1) && h("span", { class: "f1" }, "dev F1")),
  );
}

function table() {
  const old = new Map(training.before?.perType ?? []);
  const now = new Map(training.after.perType);
  const row = (name, a, b, head) =>
    h("tr", { class: head ? "all" : null }, h("th", { scope: "row", dir: "auto" }, name), h("td", {}, figure(a)), h("td", {}, figure(b)), h("td", {}, change(a, b)));
  return h(
    "table", { id: "scores" },
    h("caption", {}, `F1 on ${plural(training.test.length, "sentence")} held out`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "type"), ["old", "new", "change"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, row("all", training.before?.f1, training.after.f1, true), [...new Set([...now.keys(), ...old.keys()])].map((name) => row(name, old.get(name), now.get(name)))),
  );
}

function change(a, b) {
  if (typeof a !== "number" || typeof b !== "number") return "";
  const by = b - a;
  return Math.abs(by) < 0.05 ? "=" : `${by > 0 ? "▲" : "▼"} ${Math.abs(by).toFixed(1)}`;
}

function sourceLine() {
  const sources = Object.entries(training.sources ?? {}).sort((a, b) => b[1] - a[1]);
  if (!sources.length) return null;
  return h("p", { class: "note" }, `Sources by likeness: ${sources.map(([name, weight]) => `${name} ${(100 * weight).toFixed(0)} %`).join(", ")}.`);
}

async function cancel() {
  await api.remove(api.jobPath(training.id));
}

async function goOn() {
  await api.post(api.jobPath(training.id, "/resume"));
  await follow();
}

async function forget() {
  await api.remove(api.jobPath(training.id)).catch(() => null);
  training = null;
  keep();
  drawTrainingSet();
}

function sideBySide() {
  const { target, draft } = training;
  page.compare(domainRow(target) ? target : null, draft);
}

async function install() {
  const { target, draft } = training;
  await api.post(api.domainPath(draft, "/copy"), { to: target, overwrite: true });
  await over(target);
  tell(`${target} is installed.`);
}

async function discard() {
  const { target } = training;
  await over(domainRow(target) ? target : null);
  tell("The draft is gone; nothing else was changed.");
}

// The draft goes, and the page shows what is left.
async function over(show) {
  await api.remove(api.domainPath(training.draft)).catch(() => null);
  training = null;
  keep();
  await page.reload();
  page.showDomain(show);
  drawTrainingSet();
  changed("view");
}
