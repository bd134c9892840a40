// What is on the page, its undo, and its short form in the address.
//
// A row is a sentence: {id, text, found, score, other, marks, done, here}.
//   found  what the domain says, with scores; null until it is known
//   score  how likely all of that is right, and nothing missing
//   other  what the domain beside it says, when two are compared
//   marks  what the user says; null as long as nothing was changed
//   done   whether the user has said that the marks are right: such rows are the training set
//   here   whether it belongs to the text on screen

import { wellFormed } from "./offsets.js";

const STEPS = 200;
const MOST_TYPES = 200;

export const state = {
  domain: null, // null: none, the types alone say what to find
  other: undefined, // a second domain or null as above; undefined: nothing is compared
  types: [], // {name, on}
  threshold: 0.5,
  rows: [],
  training: null, // what train.js notes of a training
  order: "text",
  view: "here",
  domains: [],
};

const listeners = [];
export const onChange = (listener) => listeners.push(listener);
// `what` is "row", "types", "marks" (many rows) or "view".
export function changed(what, row) {
  for (const listener of listeners) listener(what, row);
}

// Marks

export const typeNames = () => state.types.map((type) => type.name);
export const typeIndex = (name) => state.types.findIndex((type) => type.name === name);
export const isOn = (name) => state.types.find((type) => type.name === name)?.on ?? true;
const sure = (entity) => entity.score >= state.threshold && isOn(entity.type);
export const shown = (row) => (row.marks ? row.marks.filter((mark) => isOn(mark.type)) : (row.found ?? []).filter(sure));
const base = (row) => row.marks ?? shown(row); // marks of types that are switched off stay
export const trained = () => state.rows.filter((row) => row.done);
export const domainRow = (name) => state.domains.find((row) => row.name === name);

export function uncertainty(row) {
  return 1 - (row.score ?? 1);
}

export function makeRow(text, values = {}) {
  const row = { id: crypto.randomUUID?.() ?? String(Math.random()), text, found: null, score: null, other: null, marks: null };
  return { ...row, done: false, here: true, ...values };
}

// Sentences of a new text; those that the user has worked on stay in the training set.
export function setText(sentences) {
  const known = new Map(state.rows.filter((row) => row.marks).map((row) => [row.text, row]));
  const here = sentences.map((text) => {
    const row = known.get(wellFormed(text)) ?? makeRow(wellFormed(text));
    known.delete(row.text);
    row.here = true;
    return row;
  });
  for (const row of known.values()) row.here = false;
  state.rows = [...here, ...known.values()];
  past.length = 0;
  future.length = 0;
  state.view = "here";
  changed("marks");
}

export function addRows(rows) {
  const known = new Set(state.rows.filter((row) => row.done).map((row) => row.text));
  const fresh = rows.filter((row) => !known.has(row.text)).map((row) => makeRow(row.text, { ...row, done: true, here: false }));
  addTypes(fresh.flatMap((row) => row.marks.map((mark) => mark.type)));
  state.rows.push(...fresh);
  state.view = "set";
  changed("marks");
  return fresh.length;
}

// Changes that can be undone: rows with their values before, and the types before if they changed

const past = [];
const future = [];
const VALUES = ["marks", "done"];
const pick = (row) => Object.fromEntries(VALUES.map((name) => [name, row[name]]));

// `edits` are [row, new values].
export function edit(edits, types = state.types) {
  if (!edits.length && types === state.types) return;
  const typesChanged = types !== state.types;
  past.push({ rows: edits.map(([row]) => [row, pick(row)]), types: typesChanged ? state.types : null });
  if (past.length > STEPS) past.shift();
  future.length = 0;
  for (const [row, values] of edits) Object.assign(row, values);
  state.types = types;
  if (typesChanged) changed("types");
  else if (edits.length === 1) changed("row", edits[0][0]);
  else changed("marks");
}

function back(from, to) {
  const step = from.pop();
  if (!step) return null;
  to.push({ rows: step.rows.map(([row]) => [row, pick(row)]), types: step.types && state.types });
  for (const [row, values] of step.rows) Object.assign(row, values);
  state.types = step.types ?? state.types;
  changed(step.types ? "types" : "marks");
  return step.rows[0]?.[0] ?? true;
}

export const undo = () => back(past, future);
export const redo = () => back(future, past);
export const canUndo = () => past.length > 0;
export const canRedo = () => future.length > 0;

export function setMark(row, start, end, type) {
  const kept = base(row).filter((mark) => mark.end <= start || mark.start >= end);
  const marks = [...kept, { start, end, type }].sort((a, b) => a.start - b.start);
  edit([[row, { marks, done: false }]]);
}

export function removeMark(row, mark) {
  edit([[row, { marks: base(row).filter((one) => one.start !== mark.start), done: false }]]);
}

export const confirm = (row) => edit([[row, { marks: base(row), done: true }]]);
export const reopen = (row) => edit([[row, { done: false }]]);

// Sentences of the text whose entities are all above the threshold; one without any is left to the user.
export function sureRows() {
  return state.rows.filter((row) => row.here && !row.marks && row.found?.length && row.found.every(sure));
}

export function acceptSure() {
  const rows = sureRows();
  edit(rows.map((row) => [row, { marks: shown(row), done: true }]));
  return rows.length;
}

// Types

export const cleanType = (name) => wellFormed(name).replace(/[:()\s]+/g, " ").trim();

export function addTypes(names) {
  const fresh = [...new Set(names.map(cleanType))].filter((name) => name && typeIndex(name) < 0);
  if (!fresh.length) return;
  edit([], [...state.types, ...fresh.map((name) => ({ name, on: true }))].slice(0, MOST_TYPES));
}

export function renameType(old, name) {
  const fresh = cleanType(name);
  if (!fresh || fresh === old || typeIndex(fresh) >= 0) return false;
  const swap = (mark) => (mark.type === old ? { ...mark, type: fresh } : mark);
  edit(marked(old, (row) => row.marks.map(swap)), state.types.map((type) => (type.name === old ? { ...type, name: fresh } : type)));
  return true;
}

export function removeType(name) {
  const edits = marked(name, (row) => row.marks.filter((mark) => mark.type !== name));
  edit(edits, state.types.filter((type) => type.name !== name));
}

export function switchType(name, on) {
  state.types = state.types.map((type) => (type.name === name ? { ...type, on } : type));
  changed("marks");
}

const marked = (type, change) =>
  state.rows.filter((row) => row.marks?.some((mark) => mark.type === type)).map((row) => [row, { marks: change(row) }]);

// Whether the types are those that the domain was trained on, in any order.
export function ownTypes(domain) {
  const own = domainRow(domain)?.types ?? [];
  return own.length === state.types.length && own.every((name) => typeIndex(name) >= 0);
}

// Work that outlives the tab; drafts.js keeps it

export function work() {
  const rows = state.rows
    .filter((row) => row.marks || row.here)
    .map(({ text, marks, done, here }) => ({ text, marks, done, here }));
  const { domain, types, threshold, training } = state;
  return { domain, types, threshold, training, rows };
}

export function setWork({ domain = null, types = [], threshold = 0.5, training = null, rows = [] }) {
  Object.assign(state, { domain, types, threshold, training, other: undefined, view: "here" });
  state.rows = rows.map((row) => makeRow(row.text, row));
  past.length = 0;
  future.length = 0;
}

// The address: what follows # never leaves the browser

export function address() {
  const hash = new URLSearchParams();
  if (state.domain) hash.set("domain", state.domain);
  if (state.other !== undefined) hash.set("beside", state.other ?? "");
  if (!ownTypes(state.domain)) hash.set("types", typeNames().join(","));
  hash.set("threshold", String(state.threshold));
  hash.set("text", state.rows.filter((row) => row.here).map((row) => row.text).join("\n"));
  return `${location.origin}${location.pathname}#${hash}`;
}

export function readAddress() {
  const hash = new URLSearchParams(location.hash.slice(1));
  if (!hash.has("text") && !hash.has("domain")) return null;
  const threshold = Number(hash.get("threshold") ?? "x");
  return {
    domain: hash.get("domain"),
    other: hash.has("beside") ? hash.get("beside") || null : undefined,
    types: hash.get("types")?.split(",").filter(Boolean),
    threshold: threshold >= 0 && threshold <= 1 ? threshold : 0.5,
    text: hash.get("text") ?? "",
  };
}
