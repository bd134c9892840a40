// The work on the page as a worksheet: kept in the browser's storage and, once something is corrected, on the server, where
// other browsers find it. What two browsers change becomes two worksheets.

import * as api from "./api.js";
import { $, attempt, button, fill, h, plural, tell } from "./dom.js";
import * as store from "./state.js";

const STORED = "cpner:work";
const SOON = 400; // milliseconds

let page = null; // {redraw, sure}
let sheet = null; // {id, version, unsent}; version: of the server's copy that this work comes from
let refused = false; // the server keeps none for this user
let timer = 0;

const letters = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36));
const fresh = () => ({ id: letters().join(""), unsent: true });
const isCorrected = () => store.state.training || store.state.rows.some((row) => row.marks);

export function setUpWorksheets(given) {
  page = given;
  $("#anew").addEventListener("click", () => attempt(startAnew));
  addEventListener("pagehide", () => sheet?.unsent && keep()); // a page may be left before it is ready
}

export function save() {
  sheet.unsent = true;
  clearTimeout(timer);
  timer = setTimeout(send, SOON);
}

function keep() {
  let kept = true;
  try {
    localStorage.setItem(STORED, JSON.stringify({ sheet, ...store.work() }));
  } catch {
    kept = false; // full or forbidden
  }
  $("#unsaved").hidden = kept || !(refused && isCorrected());
}

async function send() {
  clearTimeout(timer);
  keep();
  if (refused || !sheet.unsent || !isCorrected()) return;
  const sent = sheet;
  sent.unsent = false;
  try {
    sent.version = await api.saveSheet(sent.id, store.work(), sent.version);
  } catch (error) {
    sent.unsent = true;
    refused = [401, 403, 413].includes(error.status);
    if (error.status === 412) fork();
    else if (!refused) timer = setTimeout(send, 10 * SOON);
  }
  keep();
}

function fork() {
  sheet = fresh();
  tell("This work was changed in another browser too. What you have here becomes a worksheet of its own.", true);
  save();
}

// What was on the page before, or what has become of it in another browser since.
export async function restore() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(STORED));
  } catch {
    // as if nothing were kept
  }
  const { sheet: known, ...work } = kept ?? {};
  sheet = known ?? fresh();
  store.setWork(work);
  if (!sheet.version) return save();
  try {
    const theirs = await api.readSheet(sheet.id);
    if (theirs.version !== sheet.version) return sheet.unsent ? fork() : take(sheet.id, theirs);
  } catch (error) {
    if (error.status === 404) sheet = fresh(); // deleted, or another store
  }
  return sheet.unsent && save();
}

function take(id, { work, version }) {
  sheet = { id, version, unsent: false };
  store.setWork(work);
  keep();
}

async function startAnew() {
  await send();
  const question = "The server does not keep this work: it will be lost unless you export it. Go on?";
  if (sheet.unsent && isCorrected() && !(await page.sure(question))) return;
  sheet = fresh();
  store.setWork({});
  keep();
  await page.redraw();
}

// The server's worksheets, on a page without sentences.
export async function drawWorksheets() {
  if (store.state.rows.length) return;
  const rows = (await api.listSheets().catch(() => [])).filter(({ id }) => id !== sheet.id);
  fill($("#worksheet-list"), rows.map(worksheetRow));
  $("#worksheets").hidden = !rows.length;
}

function worksheetRow({ id, domain, types, confirmed, saved }) {
  const open = async () => {
    take(id, await api.readSheet(id));
    await page.redraw();
  };
  const remove = async () => {
    if (!(await page.sure("Delete this worksheet from the server? It can't be undone."))) return;
    await api.removeSheet(id);
    await drawWorksheets();
  };
  const name = [domain, types.slice(0, 4).join(", ")].filter(Boolean).join(": ") || "no types";
  return h(
    "li", {},
    button(name, open, { dir: "auto" }),
    h("span", { class: "note" }, `${plural(confirmed, "sentence")} confirmed, ${new Date(saved).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`),
    button("×", remove, { class: "quiet", "aria-label": `Delete the worksheet ${name}` }),
  );
}
