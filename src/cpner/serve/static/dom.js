// Nodes are made here and nowhere from strings of HTML, so that no text of a user can become markup.

export const $ = (selector, root = document) => root.querySelector(selector);

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = ["svg", "polyline", "line", "circle", "text", "title"];

// h("button", {class: "x", onclick: f, "aria-label": "y"}, "text", node, …)
export function h(tag, props = {}, ...children) {
  const node = SHAPES.includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const fill = (node, ...children) => node.replaceChildren(...children.flat().filter(Boolean));

// What screen readers say; `bad` is also shown until it is closed.
export function tell(message, bad = false) {
  $("#said").textContent = message;
  if (!bad) return;
  const close = h("button", { type: "button", "aria-label": "Close the message", onclick: hush }, "×");
  fill($("#problem"), h("p", {}, message), close);
  $("#problem").hidden = false;
}

export function hush() {
  $("#problem").hidden = true;
}

// Runs something that may fail, and shows why if it does.
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message, true);
    return undefined;
  }
}

export const button = (text, action, props) => h("button", { type: "button", onclick: () => attempt(action), ...props }, text);

export function download(name, data, type = "application/octet-stream") {
  const url = URL.createObjectURL(new Blob([data], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export const plural = (count, word, many = `${word}s`) => `${count.toLocaleString("en")} ${count === 1 ? word : many}`;
