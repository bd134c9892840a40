// <cp-text>: a sentence with its entities as marks, corrected by mouse, touch and keys.
//
// What is selected in it is the browser's own selection, whichever way it came about. It sends two events:
// "cp-act" {action, start, end, type, mark} and "cp-choose" {start, end, mark, box} to let a type be chosen.

import { h } from "./dom.js";
import { splitWords } from "./sentences.js";

const PATTERNS = 5;
const HUES = 8;

export const look = (index) => (index < 0 ? "hx px" : `h${index % HUES} p${index % PATTERNS}`);

export class CpText extends HTMLElement {
  #text = "";
  #marks = [];
  #words = [];
  #paragraph = h("p", { dir: "auto" });
  #drawn = "";

  connectedCallback() {
    if (this.contains(this.#paragraph)) return;
    this.append(this.#paragraph);
    if (!this.editable) return;
    this.tabIndex = 0;
    this.setAttribute("role", "application");
    this.setAttribute("aria-describedby", "keys");
    this.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("pointerup", (event) => this.#pointer(event));
  }

  get editable() {
    return this.hasAttribute("editable");
  }

  // `marks` are {start, end, type, score?, dim?}; `indexOf(type)` tells its look.
  show(text, marks, indexOf, label) {
    const looks = marks.map((mark) => indexOf(mark.type));
    const drawn = JSON.stringify([text, marks, looks]);
    this.setAttribute("aria-label", label);
    if (drawn === this.#drawn) return;
    const selected = this.selected;
    if (text !== this.#text || !this.#words.length) this.#words = splitWords(text);
    this.#drawn = drawn;
    this.#text = text;
    this.#marks = marks;
    this.#paragraph.replaceChildren(...this.#pieces(looks));
    if (selected) this.select(selected.start, selected.end);
  }

  #pieces(looks) {
    const nodes = [];
    const piece = (start, end) => h("span", { "data-o": start }, this.#text.slice(start, end));
    let at = 0;
    this.#marks.forEach((mark, i) => {
      if (mark.start < at) return;
      if (mark.start > at) nodes.push(piece(at, mark.start));
      const score = mark.score === undefined ? null : h("small", {}, mark.score.toFixed(2).replace(/^0/, ""));
      const tag = h("span", { class: "tag" }, "\u00a0", mark.type, score && "\u00a0", score);
      const style = `${look(looks[i])}${mark.dim ? " dim" : ""}`;
      nodes.push(h("mark", { class: style, "data-m": i }, piece(mark.start, mark.end), mark.dim ? null : tag));
      at = mark.end;
    });
    if (at < this.#text.length) nodes.push(piece(at, this.#text.length));
    return nodes;
  }

  // Selection

  #place(node, at) {
    const owner = node.parentElement;
    if (node.nodeType === Node.TEXT_NODE && owner?.dataset.o !== undefined) return Number(owner.dataset.o) + at;
    const point = document.createRange();
    point.setStart(node, at);
    for (const piece of this.querySelectorAll("[data-o]")) {
      if (point.comparePoint(piece, 0) >= 0) return Number(piece.dataset.o);
    }
    return this.#text.length;
  }

  // What is selected, without white space at its edges; null if it is nothing of this sentence.
  get selected() {
    const range = this.#range();
    if (!range || range.collapsed) return null;
    const start = this.#place(range.startContainer, range.startOffset);
    const end = this.#place(range.endContainer, range.endOffset);
    const inside = this.#text.slice(start, end);
    if (!inside.trim()) return null;
    return { start: start + inside.length - inside.trimStart().length, end: start + inside.trimEnd().length };
  }

  #range() {
    const selection = document.getSelection();
    if (!selection.rangeCount) return null;
    const range = selection.getRangeAt(0);
    return this.#paragraph.contains(range.startContainer) && this.#paragraph.contains(range.endContainer) ? range : null;
  }

  select(start, end) {
    const first = this.#point(start, false);
    const last = this.#point(end, true);
    if (first && last) document.getSelection().setBaseAndExtent(...first, ...last);
  }

  #point(at, isEnd) {
    for (const piece of this.querySelectorAll("[data-o]")) {
      const from = Number(piece.dataset.o);
      const to = from + piece.textContent.length;
      if (isEnd ? at > from && at <= to : at >= from && at < to) return [piece.firstChild, at - from];
    }
    return null;
  }

  // Whole words: a selection that ends inside a word was meant to hold it.
  #snapped({ start, end }) {
    const inside = this.#words.filter((word) => word.start < end && word.end > start);
    return inside.length ? { start: inside[0].start, end: inside.at(-1).end } : { start, end };
  }

  #markAt({ start, end }) {
    return this.#marks.find((mark) => mark.start < end && mark.end > start);
  }

  // Where arrows stop: marks as wholes, and the words between them.
  #stops() {
    const free = this.#words.filter((word) => !this.#markAt(word));
    return [...free, ...this.#marks].sort((a, b) => a.start - b.start);
  }

  // Mouse and touch

  #pointer(event) {
    this.focus({ preventScroll: true });
    const on = event.target.closest("mark");
    const mark = on && this.#marks[Number(on.dataset.m)];
    setTimeout(() => {
      const selected = this.selected; // after the click has changed it
      if (selected && !(mark && selected.start >= mark.start && selected.end <= mark.end)) {
        const span = event.altKey ? selected : this.#snapped(selected);
        this.select(span.start, span.end);
        this.#choose(span, null);
      } else if (mark) {
        this.select(mark.start, mark.end);
        this.#choose(mark, mark);
      } else if (event.pointerType === "touch") {
        this.#tap(event);
      }
    });
  }

  #tap(event) {
    const caret = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    const range = caret ? null : document.caretRangeFromPoint?.(event.clientX, event.clientY);
    const node = caret?.offsetNode ?? range?.startContainer;
    if (!node || !this.#paragraph.contains(node)) return;
    const at = this.#place(node, caret?.offset ?? range.startOffset);
    const word = this.#words.find((one) => one.start <= at && at <= one.end);
    if (!word) return;
    this.select(word.start, word.end);
    this.#choose(word, null);
  }

  #choose(span, mark, byKey = false) {
    const box = this.#range()?.getBoundingClientRect() ?? this.getBoundingClientRect();
    this.#send("cp-choose", { ...span, mark, box, byKey });
  }

  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  #act(action, detail = {}) {
    this.#send("cp-act", { action, ...detail });
  }

  // Keys

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const selected = this.selected;
    const mark = selected && this.#markAt(selected);
    const { key } = event;
    if (/^[1-9]$/.test(key)) {
      if (selected) this.#act("type", { ...(mark ?? this.#snapped(selected)), index: Number(key) - 1 });
    } else if ((key === "Delete" || key === "Backspace" || key === "0") && mark) this.#act("remove", { mark });
    else if (key === "ArrowRight" || key === "ArrowLeft") this.#walk(key === "ArrowRight", event.shiftKey);
    else if (key === "ArrowDown" || key === "ArrowUp") this.#act("move", { by: key === "ArrowDown" ? 1 : -1 });
    else if (key === "Enter") this.#act("confirm");
    else if (key === "t" && selected) this.#choose(mark ?? this.#snapped(selected), mark ?? null, true);
    else if (key === "Escape") document.getSelection().removeAllRanges();
    else return;
    event.preventDefault();
  }

  #walk(forward, extend) {
    const rightToLeft = getComputedStyle(this.#paragraph).direction === "rtl";
    const onward = forward !== rightToLeft;
    const selected = this.selected;
    const stops = extend ? this.#words : this.#stops();
    if (!stops.length) return;
    const first = selected ? stops.findIndex((stop) => stop.end > selected.start) : -1;
    const last = selected ? stops.findLastIndex((stop) => stop.start < selected.end) : -1;
    if (extend && selected) {
      const end = stops[Math.max(first, Math.min(stops.length - 1, last + (onward ? 1 : -1)))].end;
      this.select(selected.start, end);
      return this.#say({ start: selected.start, end });
    }
    const next = !selected ? (onward ? 0 : stops.length - 1) : onward ? last + 1 : first - 1;
    const stop = stops[Math.max(0, Math.min(stops.length - 1, next))];
    this.select(stop.start, stop.end);
    return this.#say(stop);
  }

  #say({ start, end }) {
    const mark = this.#markAt({ start, end });
    this.#act("say", { message: `${this.#text.slice(start, end)}${mark ? `, ${mark.type}` : ""}` });
  }
}

customElements.define("cp-text", CpText);
