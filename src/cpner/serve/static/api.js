// All that is asked of the server. Offsets are UTF-16 units on this side of it.

import { toPoints, toUnits } from "./offsets.js";

const CHUNK = 16; // sentences in one request: few, so that the first come soon
const TRIES = 6;

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let askKey = null; // asks the user for the key
const STORED = "cpner:key";

export function onKeyNeeded(ask) {
  askKey = ask;
}

export function setKey(key) {
  if (key) sessionStorage.setItem(STORED, key);
  else sessionStorage.removeItem(STORED);
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// A `quiet` request asks for no key.
async function send(method, path, { json, body, headers = {}, signal, quiet } = {}) {
  for (let tries = 1; ; tries++) {
    const sent = { ...headers };
    const key = sessionStorage.getItem(STORED);
    if (key) sent.Authorization = `Bearer ${key}`;
    if (json !== undefined) sent["Content-Type"] = "application/json";
    let reply;
    try {
      reply = await fetch(path, { method, headers: sent, body: json === undefined ? body : JSON.stringify(json), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The server can't be reached.");
    }
    if (reply.ok) return reply;
    const told = await reply.json().catch(() => ({}));
    if ((reply.status === 429 || told.error_type === "starting") && tries < TRIES) {
      await pause(Number(reply.headers.get("Retry-After")) || 1);
      continue;
    }
    if ((reply.status === 401 || reply.status === 403) && !quiet && (await askKey(told.error))) continue;
    throw new Problem(reply.status, told.error ?? `The server answered ${reply.status}.`);
  }
}

export const get = async (path, options) => (await send("GET", path, options)).json();
export const post = async (path, json) => (await send("POST", path, { json })).json();
export const remove = (path) => send("DELETE", path);
export const domainPath = (name, rest = "") => `/v1/domains/${encodeURIComponent(name)}${rest}`;
export const jobPath = (id, rest = "") => `/v1/jobs/${encodeURIComponent(id)}${rest}`;
export const fetchBlob = async (path) => (await send("GET", path)).blob();

export async function listDomains() {
  const rows = [];
  let after = "";
  do {
    const page = await get(`/v1/domains?after=${encodeURIComponent(after)}`);
    rows.push(...page.domains);
    after = page.next;
  } while (after);
  return rows;
}

// Entities of many texts. `asked` is {domain, types}; `got(i, entities, score)` is called for
// each text as answers come; its score is the probability that all of it is right.
export async function predict(texts, asked, got, signal) {
  for (let start = 0; start < texts.length; start += CHUNK) {
    const some = texts.slice(start, start + CHUNK);
    const json = { inputs: some.map((text) => ({ text })) };
    if (asked.domain) json.domain = asked.domain;
    if (asked.types) json.types = asked.types;
    const answer = await (await send("POST", "/v1/predict", { json, signal })).json();
    answer.results.forEach((result, i) => got(start + i, toUnits(some[i], result.entities), result.score));
  }
}

// Labelled sentences as the server takes them.
const points = (text, marks) => toPoints(text, marks).map(({ start, end, type }) => ({ start, end, type }));
export const outgoing = (rows) => rows.map(({ text, marks }) => ({ text, entities: points(text, marks) }));

// The work on the page as the server keeps it; `version` is the one that it comes from, undefined for none.
const sheetPath = (id) => `/v1/worksheets/${encodeURIComponent(id)}`;
const tag = (reply) => reply.headers.get("ETag");

export const listSheets = async () => (await get("/v1/worksheets", { quiet: true })).worksheets;
export const removeSheet = (id) => remove(sheetPath(id));

export async function readSheet(id) {
  const reply = await send("GET", sheetPath(id), { quiet: true });
  const { sentences, ...work } = await reply.json();
  const rows = sentences.map(({ entities, ...row }) => ({ ...row, marks: entities && toUnits(row.text, entities) }));
  return { work: { ...work, rows }, version: tag(reply) };
}

export async function saveSheet(id, { rows, ...work }, version) {
  const sentences = rows.map(({ marks, ...row }) => ({ ...row, entities: marks && points(row.text, marks) }));
  const headers = version ? { "If-Match": version } : { "If-None-Match": "*" };
  return tag(await send("PUT", sheetPath(id), { json: { ...work, sentences }, headers, quiet: true }));
}

export async function readCorpus(file) {
  const reply = await send("POST", `/v1/corpora/read?name=${encodeURIComponent(file.name)}`, { body: file });
  const { sentences, types, repairs } = await reply.json();
  return { types, repairs, rows: sentences.map((one) => ({ text: one.text, marks: toUnits(one.text, one.entities) })) };
}

export async function writeCorpus(rows, types, format) {
  const json = { sentences: outgoing(rows), types };
  const reply = await send("POST", `/v1/corpora/write?format=${encodeURIComponent(format)}`, { json });
  const name = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition") ?? "")?.[1] ?? "corpus";
  return { name, blob: await reply.blob() };
}

export async function uploadDomain(name, file) {
  const headers = { "Content-Type": "application/zip", "If-None-Match": "*" };
  return (await send("PUT", domainPath(name), { body: file, headers })).json();
}

// Events of a job until it is over. `fetch`, since EventSource can send no key. Goes on where a connection broke.
export async function watch(id, got, signal) {
  let last = 0;
  for (let broken = 0; broken < TRIES; ) {
    try {
      const reply = await send("GET", jobPath(id, "/events"), { headers: { "Last-Event-ID": String(last) }, signal });
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
          if (!field("data")) continue;
          last = Number(field("id"));
          broken = 0;
          got(field("event"), JSON.parse(field("data")));
        }
      }
      const job = await get(jobPath(id), { signal });
      if (!["queued", "running"].includes(job.state)) return job;
    } catch (error) {
      if (error.name === "AbortError" || error.status > 0) throw error;
    }
    broken += 1;
    await pause(broken);
  }
  throw new Problem(0, "The server can't be reached; the training goes on there.");
}
