// The types: add, rename, switch off, remove; and the menu that gives one to what is selected.

import { $, fill, h, tell } from "./dom.js";
import { addTypes, removeType, renameType, shown, state, switchType, trained } from "./state.js";
import { look } from "./text.js";

export function setUpTypes() {
  $("#add-types").addEventListener("submit", (event) => {
    event.preventDefault();
    addTypes($("#new-types").value.split(/[,;\n]/));
    $("#new-types").value = "";
  });
}

export function drawTypes() {
  const counts = new Map();
  for (const row of state.rows) {
    if (row.here) for (const mark of shown(row)) counts.set(mark.type, (counts.get(mark.type) ?? 0) + 1);
  }
  const active = document.activeElement;
  const focused = active?.closest("#types") ? active.id : null;
  if (focused?.startsWith("name-") && state.types[focused.slice(5)]?.name !== active.value) return; // being renamed
  fill($("#types"), state.types.map((type, i) => typeRow(type, i, counts.get(type.name) ?? 0)));
  if (focused) document.getElementById(focused)?.focus();
  $("#no-types").hidden = state.types.length > 0;
}

function typeRow({ name, on }, i, count) {
  const rename = (event) => {
    if (renameType(name, event.target.value)) tell(`${name} is now ${event.target.value}`);
    else event.target.value = name;
  };
  return h(
    "li",
    {},
    h("input", {
      type: "checkbox", id: `on-${i}`, checked: on, "aria-label": `Show ${name}`,
      onchange: (event) => switchType(name, event.target.checked),
    }),
    h("span", { class: `key ${look(i)}`, "aria-hidden": "true" }, i < 9 ? String(i + 1) : "·"),
    h("input", { id: `name-${i}`, value: name, dir: "auto", "aria-label": `Name of type ${i + 1}`, onchange: rename }),
    h("span", { class: "count", title: "in the text on screen" }, String(count)),
    h("button", { type: "button", class: "quiet", "aria-label": `Remove ${name}`, onclick: () => removeType(name) }, "×"),
  );
}

// Labelled entities of the training set, by type.
export function countTrained() {
  const counts = new Map(state.types.map((type) => [type.name, 0]));
  for (const row of trained()) for (const mark of row.marks) counts.set(mark.type, (counts.get(mark.type) ?? 0) + 1);
  return counts;
}

// The menu

let chosen = null;

export function openMenu(element, { mark, box, byKey }, choose, removeIt) {
  const menu = $("#menu");
  const close = (action) => () => {
    closeMenu();
    element.focus();
    action();
  };
  const items = state.types.map((type, i) =>
    h(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1", onclick: close(() => choose(i)) },
      h("span", { class: `key ${look(i)}`, "aria-hidden": "true" }, i < 9 ? String(i + 1) : "·"),
      type.name,
    ),
  );
  if (mark) items.push(h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: close(removeIt) }, h("span", { class: "key", "aria-hidden": "true" }, "⌫"), "no entity"));
  if (!items.length) return tell("Add a type first.", true);
  fill(menu, items);
  menu.hidden = false;
  chosen = element;
  const left = Math.min(box.left, innerWidth - menu.offsetWidth - 8);
  const below = box.bottom + 6 + menu.offsetHeight < innerHeight;
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${Math.max(8, below ? box.bottom + 6 : box.top - menu.offsetHeight - 6)}px`;
  if (byKey) items[0].focus();
  return undefined;
}

export function closeMenu() {
  $("#menu").hidden = true;
}

export function setUpMenu() {
  const menu = $("#menu");
  menu.addEventListener("pointerdown", (event) => event.preventDefault()); // what is selected stays so
  menu.addEventListener("mousedown", (event) => event.preventDefault());
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.children];
    const at = items.indexOf(document.activeElement);
    const digit = /^[1-9]$/.test(event.key) ? items[Number(event.key) - 1] : null;
    if (event.key === "ArrowDown") items[(at + 1) % items.length].focus();
    else if (event.key === "ArrowUp") items[(at + items.length - 1) % items.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") {
      closeMenu();
      chosen?.focus();
    } else if (digit) digit.click();
    else return;
    event.preventDefault();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) closeMenu();
  });
  document.addEventListener("scroll", closeMenu, { passive: true });
  document.addEventListener("keydown", (event) => menu.contains(event.target) || closeMenu(), true); // before it opens
}
