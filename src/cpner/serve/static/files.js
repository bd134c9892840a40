// Files in and out, and the same question as code.

import * as api from "./api.js";
import { $, attempt, download, fill, h, plural, tell } from "./dom.js";
import { addRows, ownTypes, shown, state, trained, typeNames } from "./state.js";

const STYLE = "<style>body{font:1rem/2 system-ui;max-width:45rem;margin:2rem auto}mark{padding:.1em .2em}sub{font-size:.7em}</style>";

let useText = null;

export async function setUpFiles(given) {
  useText = given;
  for (const input of [$("#open"), $("#import")]) {
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = "";
      if (file) attempt(() => take(file, input.id === "import"));
    });
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) attempt(() => take(file, !/\.(txt|md)$/i.test(file.name)));
  });
  $("#export").addEventListener("click", () => attempt(save));
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy($(button.dataset.copy).textContent));
  }
  await loadFormats();
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell("Copied.");
  } catch {
    tell(`The browser lets nothing be copied from here. Select it instead: ${text}`, true);
  }
}

async function loadFormats() {
  const { formats } = await api.get("/v1/corpora/formats").catch(() => ({ formats: ["jsonl"] }));
  fill($("#format"), [...formats, "html"].map((name) => h("option", { value: name, selected: name === "jsonl" }, name)));
}

async function take(file, labelled) {
  if (!labelled) return useText(await file.text());
  const { rows, types } = await api.readCorpus(file);
  const added = addRows(rows.map((row) => ({ ...row, marks: row.marks.map(({ start, end, type }) => ({ start, end, type })) })));
  tell(`${plural(added, "labelled sentence")} of ${plural(types.length, "type")} added to the training set.`);
  return undefined;
}

async function save() {
  const rows = $("#what").value === "set" ? trained() : state.rows.filter((row) => row.here).map((row) => ({ text: row.text, marks: shown(row) }));
  if (!rows.length) throw new Error("There is nothing to export yet.");
  const format = $("#format").value;
  if (format === "html") return download("entities.html", asHtml(rows), "text/html");
  const { name, blob } = await api.writeCorpus(rows, typeNames(), format);
  return download(name, blob);
}

function asHtml(rows) {
  const page = document.implementation.createHTMLDocument("Entities");
  for (const row of rows) {
    const paragraph = page.createElement("p");
    paragraph.dir = "auto";
    let at = 0;
    for (const { start, end, type } of row.marks) {
      const mark = page.createElement("mark");
      const name = page.createElement("sub");
      name.textContent = ` ${type}`;
      mark.append(row.text.slice(start, end), name);
      paragraph.append(row.text.slice(at, start), mark);
      at = end;
    }
    paragraph.append(row.text.slice(at));
    page.body.append(paragraph);
  }
  const html = new XMLSerializer().serializeToString(page.documentElement);
  return `<!doctype html>\n${html.replace("</head>", `${STYLE}</head>`)}`;
}

// The same question for a shell and for Python.
export function drawCode() {
  const here = state.rows.filter((row) => row.here);
  const texts = here.slice(0, 3).map((row) => row.text);
  const types = state.types.length && !ownTypes(state.domain) ? typeNames() : null;
  const asked = { inputs: texts.map((text) => ({ text })), domain: state.domain ?? undefined, types: types ?? undefined, threshold: state.threshold };
  const key = sessionStorage.getItem("cpner:key") ? ` \\\n  -H "Authorization: Bearer $CPNER_KEY"` : "";
  const json = JSON.stringify(asked).replaceAll("'", "'\\''");
  $("#curl").textContent = `curl ${location.origin}/v1/predict${key} \\\n  --json '${json}'`;
  const options = [state.domain ? `domain=${JSON.stringify(state.domain)}` : "", types ? `types=${JSON.stringify(types)}` : "", `threshold=${state.threshold}`];
  const list = JSON.stringify(texts, null, 4).replaceAll("\n]", ",\n]");
  $("#python").textContent = `from cpner.client import Client

texts = ${list}
with Client(${JSON.stringify(location.origin)}${key ? ', key="…"' : ""}) as client:
    for entities in client.predict(texts, ${options.filter(Boolean).join(", ")}):
        print(entities)
`;
}
