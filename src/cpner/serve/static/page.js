// The page: what is asked when, and which part is drawn after which change.

import * as api from "./api.js";
import { drawCard, setUpCard } from "./card.js";
import { comparedRow, comparedSummary } from "./compare.js";
import { $, attempt, fill, h, hush, plural, tell } from "./dom.js";
import { copy, drawCode, setUpFiles } from "./files.js";
import { SAMPLES, splitSentences } from "./sentences.js";
import * as store from "./state.js";
import { state } from "./state.js";
import "./text.js";
import { drawTrainForm, drawTrainingSet, resumeWatching, setUpTraining } from "./train.js";
import { closeMenu, drawTypes, openMenu, setUpMenu, setUpTypes } from "./types.js";
import { drawWorksheets, restore, save, setUpWorksheets } from "./worksheets.js";

const PAGE = 200; // rows on screen at first
const EVERY = 5; // one in so many rows of the queue is drawn by lot, so that confident mistakes are met too

let limit = PAGE;
let order = []; // rows in the order of the queue; made when it is asked for, so that nothing jumps while one works
let running = null;
const lines = new Map(); // row -> its <li>

// Asking

export function asked(domain) {
  const unchanged = store.ownTypes(domain) || (state.domain && store.ownTypes(state.domain)); // each with its own then
  if (domain && unchanged) return { domain };
  if (!state.types.length) return domain ? { domain } : null;
  return domain ? { domain, types: store.typeNames() } : { types: store.typeNames() };
}

async function run() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const rows = state.rows.filter((row) => row.here);
  const texts = rows.map((row) => row.text);
  const sides = [["found", asked(state.domain)]];
  if (state.other !== undefined) sides.push(["other", asked(state.other)]);
  const list = $("#rows");
  if (!rows.length || sides.some(([, question]) => !question)) {
    list.ariaBusy = "false";
    return draw();
  }
  const bar = $("#progress");
  bar.max = rows.length * sides.length;
  bar.value = 0;
  list.ariaBusy = "true";
  const late = setTimeout(() => (bar.hidden = false), 300);
  hush();
  try {
    for (const [side, question] of sides) {
      const got = (i, entities, score) => {
        rows[i][side] = entities;
        if (side === "found") rows[i].score = score;
        bar.value += 1;
        drawRow(rows[i]);
      };
      await api.predict(texts, question, got, signal);
    }
    if (state.order === "queue") makeOrder();
    draw();
    drawTypes();
    const count = rows.reduce((sum, row) => sum + store.shown(row).length, 0);
    tell(`${plural(count, "entity", "entities")} in ${plural(rows.length, "sentence")}.`);
  } finally {
    clearTimeout(late);
    if (!signal.aborted) {
      bar.hidden = true;
      list.ariaBusy = "false";
    }
  }
  return undefined;
}

let timer = 0;
function runSoon() {
  clearTimeout(timer);
  $("#rows").ariaBusy = "true";
  timer = setTimeout(() => attempt(run), 200);
}

function useText(text) {
  const sentences = splitSentences(text);
  if (!sentences.length) return tell("Paste a text first.", true);
  limit = PAGE;
  lines.clear();
  store.setText(sentences);
  $("#compose").open = false;
  $("#text").value = text;
  return attempt(run);
}

function showDomain(name) {
  state.domain = store.domainRow(name) ? name : null;
  state.other = undefined;
  const own = store.domainRow(state.domain)?.types;
  if (own?.length) {
    const labelled = state.rows.flatMap((row) => (row.marks ?? []).map((mark) => mark.type));
    state.types = [...new Set([...own, ...labelled])].map((type) => ({ name: type, on: true }));
  }
  drawDomains();
  drawAll();
  save();
  return attempt(run);
}

function compare(first, second) {
  if (first !== state.domain) showDomain(first);
  state.other = second;
  drawDomains();
  $("#rows").scrollIntoView({ block: "start" });
  return attempt(run);
}

async function reload() {
  state.domains = await api.listDomains();
  drawDomains();
  drawTrainForm();
}

// All of the page, after other work has come onto it.
async function redraw() {
  lines.clear();
  $("#text").value = state.rows.filter((one) => one.here).map((one) => one.text).join("\n");
  $("#compose").open = !$("#text").value;
  if (state.domain && !state.types.length) showDomain(state.domain);
  drawDomains();
  drawAll();
  await Promise.all([attempt(run), attempt(drawWorksheets), resumeWatching()]);
}

// Drawing

function drawDomains() {
  if (state.domain && !store.domainRow(state.domain)) state.domain = null;
  if (state.other && !store.domainRow(state.other)) state.other = undefined;
  const usable = state.domains.filter((row) => !row.error);
  const words = (row) => (row.f1 === null ? row.name : `${row.name} (F1 ${row.f1.toFixed(0)})`);
  const option = (value, text, selected) => h("option", { value, selected }, text);
  const named = (chosen) => usable.map((row) => option(`=${row.name}`, words(row), row.name === chosen));
  fill($("#domain"), option("", "none: types alone", state.domain === null), named(state.domain));
  fill($("#other"), option("-", "nothing", state.other === undefined), option("", "types alone", state.other === null), named(state.other));
  const broken = state.domains.filter((row) => row.error);
  $("#broken").textContent = broken.length ? `Can't be used: ${broken.map((row) => row.name).join(", ")}.` : "";
}

function visible() {
  if (state.view === "set") return state.rows.filter((row) => row.marks);
  if (state.order === "queue") return order.filter((row) => row.here);
  return state.rows.filter((row) => row.here);
}

// Most uncertain first, confirmed ones last.
function makeOrder() {
  const open = state.rows.filter((row) => row.here && !row.done).sort((a, b) => store.uncertainty(b) - store.uncertainty(a));
  order = [];
  while (open.length) {
    const byLot = order.length % EVERY === EVERY - 1;
    order.push(...open.splice(byLot ? Math.floor(Math.random() * open.length) : 0, 1));
  }
  order.push(...state.rows.filter((row) => row.here && row.done));
}

function draw() {
  const rows = visible();
  const comparing = state.other !== undefined;
  const shownRows = rows.slice(0, limit);
  const list = $("#rows");
  if (comparing) fill(list, shownRows.map((row, i) => comparedRow(row, i + 1)));
  else {
    const items = shownRows.map((row, i) => line(row, i + 1));
    const focused = document.activeElement;
    if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
      fill(list, items);
      if (list.contains(focused)) focused.focus();
    }
  }
  for (const id of ["accept", "undo", "redo", "order"]) $(`#${id}`).hidden = comparing;
  $("#more").hidden = rows.length <= limit;
  $("#differ").textContent = comparing ? comparedSummary(rows) : "";
  const isEmpty = !state.rows.length;
  $("#welcome").hidden = !isEmpty;
  $("#work").hidden = isEmpty;
  drawCounts();
}

function line(row, number) {
  let item = lines.get(row);
  if (!item) {
    const text = h("cp-text", { editable: true });
    text.row = row;
    item = h(
      "li", { class: "row" },
      h("span", { class: "number" }),
      text,
      h("button", { type: "button", class: "tick", tabindex: "-1", onclick: () => toggle(row) }),
    );
    lines.set(row, item);
  }
  paint(row, item, number);
  return item;
}

function paint(row, item, number = item.number) {
  item.number = number;
  const [count, text, tick] = item.children;
  const marks = store.shown(row).map((mark) => (row.done ? { ...mark, score: undefined } : mark));
  const status = row.done ? "confirmed" : row.marks ? "changed" : "suggested";
  count.textContent = number;
  item.className = `row ${status}`;
  const listed = marks.map((mark) => `${row.text.slice(mark.start, mark.end)}: ${mark.type}`).join(", ");
  text.show(row.text, marks, store.typeIndex, `Sentence ${number}, ${status}. ${row.text} Entities: ${listed || "none"}.`);
  tick.textContent = "✓";
  tick.setAttribute("aria-pressed", String(row.done));
  tick.setAttribute("aria-label", `Sentence ${number} is right`);
  tick.title = row.done ? "confirmed; click to take it back" : "confirm (Enter)";
}

function drawRow(row) {
  if (state.other === undefined && lines.has(row)) paint(row, lines.get(row));
}

function drawCounts() {
  const here = state.rows.filter((row) => row.here);
  const done = here.filter((row) => row.done).length;
  $("#tally").textContent = here.length ? `${done} of ${here.length} confirmed` : "";
  $("#view-set").textContent = `Training set (${state.rows.filter((row) => row.marks).length})`;
  $("#accept").textContent = `Accept ${store.sureRows().length} sure`;
  $("#accept").disabled = !store.sureRows().length;
  $("#undo").disabled = !store.canUndo();
  $("#redo").disabled = !store.canRedo();
  for (const view of ["here", "set"]) $(`#view-${view}`).setAttribute("aria-pressed", String(state.view === view));
  $("#threshold").value = state.threshold;
  $("#threshold-shown").textContent = state.threshold.toFixed(2);
}

function drawAll() {
  draw();
  drawTypes();
  drawTrainingSet();
  drawTrainForm();
  if ($("#code").open) drawCode();
  if ($("#about").open) attempt(drawCard);
}

// Correcting

function toggle(row) {
  if (row.done) store.reopen(row);
  else store.confirm(row);
  tell(row.done ? "Confirmed." : "Open again.");
}

function move(row, by) {
  const rows = visible().slice(0, limit);
  lines.get(rows[rows.indexOf(row) + by])?.querySelector("cp-text").focus();
}

function act(element, { action, mark, start, end, index, by, message }) {
  const { row } = element;
  const type = state.types[index]?.name;
  if (action === "type" && type) {
    store.setMark(row, start, end, type);
    tell(`${row.text.slice(start, end)}: ${type}`);
  } else if (action === "remove") {
    store.removeMark(row, mark);
    tell(`${row.text.slice(mark.start, mark.end)} is no entity.`);
  } else if (action === "confirm") {
    if (!row.done) store.confirm(row);
    tell("Confirmed.");
    move(row, 1);
  } else if (action === "move") move(row, by);
  else if (action === "say") tell(message);
}

function step(change, word) {
  const row = change();
  if (!row) return;
  if (row !== true) lines.get(row)?.querySelector("cp-text").focus();
  tell(word);
}

// Setting up

function setUpRows() {
  const list = $("#rows");
  list.addEventListener("cp-act", (event) => act(event.target, event.detail));
  list.addEventListener("cp-choose", (event) => {
    const { start, end, mark } = event.detail;
    const choose = (index) => act(event.target, { action: "type", start, end, index });
    openMenu(event.target, event.detail, choose, () => act(event.target, { action: "remove", mark }));
  });
  $("#more").addEventListener("click", () => {
    limit += PAGE;
    draw();
  });
  $("#accept").addEventListener("click", () => tell(`${plural(store.acceptSure(), "sentence")} accepted.`));
  $("#undo").addEventListener("click", () => step(store.undo, "Undone."));
  $("#redo").addEventListener("click", () => step(store.redo, "Done again."));
  for (const view of ["here", "set"]) {
    $(`#view-${view}`).addEventListener("click", () => {
      state.view = view;
      draw();
    });
  }
  $("#order").addEventListener("change", (event) => {
    state.order = event.target.value;
    if (state.order === "queue") makeOrder();
    draw();
  });
  $("#threshold").addEventListener("input", (event) => {
    state.threshold = Number(event.target.value);
    store.changed("marks");
  });
}

function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input:not([type=checkbox], [type=range]), textarea, select");
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey)) {
      if (event.key === "?" && !writing) $("#help").showModal();
      return;
    }
    if (key === "enter" && event.target.id === "text") useText(event.target.value);
    else if (writing || !["z", "y"].includes(key)) return;
    else if (key === "y" || event.shiftKey) step(store.redo, "Done again.");
    else step(store.undo, "Undone.");
    event.preventDefault();
  });
}

function setUpText() {
  $("#find").addEventListener("click", () => useText($("#text").value));
  $("#domain").addEventListener("change", (event) => showDomain(event.target.value.slice(1) || null));
  $("#other").addEventListener("change", (event) => {
    const { value } = event.target;
    state.other = value === "-" ? undefined : value.slice(1) || null;
    attempt(run);
  });
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => {
      const { types, text } = SAMPLES[button.dataset.sample];
      if (!state.domain) state.types = types.map((name) => ({ name, on: true }));
      drawTypes();
      useText(text);
    });
  }
  $("#link").addEventListener("click", () => copy(store.address()));
  $("#keys-open").addEventListener("click", () => $("#help").showModal());
  $("#sources").addEventListener("change", drawTrainForm);
  $("#code").addEventListener("toggle", () => $("#code").open && drawCode());
  $("#about").addEventListener("toggle", () => $("#about").open && attempt(drawCard));
}

function ask(dialog, before) {
  before?.();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

function sure(question) {
  return ask($("#sure"), () => ($("#sure-question").textContent = question));
}

async function askKey(why) {
  const given = await ask($("#key-dialog"), () => ($("#key-why").textContent = why ?? ""));
  if (given) api.setKey($("#key").value.trim());
  $("#key").value = "";
  return given;
}

function readAddress() {
  const given = store.readAddress();
  if (!given) return false;
  state.domain = store.domainRow(given.domain) ? given.domain : null;
  state.other = given.other && !store.domainRow(given.other) ? undefined : given.other;
  state.threshold = given.threshold;
  const types = given.types ?? store.domainRow(state.domain)?.types ?? [];
  state.types = types.map(store.cleanType).filter(Boolean).map((name) => ({ name, on: true }));
  if (given.text) store.setText(splitSentences(given.text));
  history.replaceState(null, "", location.pathname);
  return true;
}

async function begin() {
  api.onKeyNeeded(askKey);
  setUpText();
  setUpRows();
  setUpKeys();
  setUpTypes();
  setUpMenu();
  setUpTraining({ showDomain, compare, asked, reload });
  setUpCard({ showDomain, reload, sure });
  setUpWorksheets({ redraw, sure });
  store.onChange((what, row) => {
    closeMenu();
    if (what === "row") drawRow(row);
    else draw();
    for (const one of what === "marks" ? lines.keys() : []) drawRow(one);
    drawCounts();
    drawTypes();
    drawTrainingSet();
    if ($("#code").open) drawCode();
    if (what === "types") {
      for (const one of lines.keys()) drawRow(one);
      runSoon();
    }
    if (what !== "view") save();
  });
  await attempt(reload);
  await restore();
  readAddress();
  await Promise.all([redraw(), attempt(() => setUpFiles(useText))]);
  document.documentElement.dataset.ready = "";
}

begin();
