// Two domains, or before and after a training, side by side: what both find is only underlined.

import { h, plural } from "./dom.js";
import { domainRow, isOn, state, typeNames } from "./state.js";

export const sameSpan = (a, b) => a.start === b.start && a.end === b.end && a.type === b.type;
const sure = (found) => (found ?? []).filter((entity) => entity.score >= state.threshold && isOn(entity.type));

export function sides(row) {
  const first = sure(row.found);
  const second = sure(row.other);
  const marked = (own, others) => own.map((entity) => ({ ...entity, dim: others.some((one) => sameSpan(one, entity)) }));
  const marks = [marked(first, second), marked(second, first)];
  return { marks, differs: marks.flat().some((mark) => !mark.dim) };
}

export const domainTitle = (name) => name ?? "types alone";

// The types on screen, and those that only the second domain knows.
const lookOf = (type) => [...new Set([...typeNames(), ...(domainRow(state.other)?.types ?? [])])].indexOf(type);

export function comparedRow(row, number) {
  const { marks, differs } = sides(row);
  const names = [state.domain, state.other].map(domainTitle);
  const columns = (differs ? marks : [marks[0]]).map((one, i) => {
    const text = h("cp-text", { role: "group" });
    text.show(row.text, one, lookOf, `Sentence ${number}, ${differs ? names[i] : "both"}`);
    return h("div", { class: "side", title: differs ? null : "the same in both" }, differs && h("span", { class: "whose" }, names[i]), text);
  });
  return h("li", { class: differs ? "row two" : "row one same" }, h("span", { class: "number" }, String(number)), columns);
}

export function comparedSummary(rows) {
  const count = rows.filter((row) => sides(row).differs).length;
  return `${domainTitle(state.domain)} and ${domainTitle(state.other)} differ in ${count} of ${plural(rows.length, "sentence")}.`;
}

// Strict scores: an entity counts if start, end and type are right. `found` holds a list for each labelled row.
export function score(rows, found, types) {
  const counts = new Map(types.map((type) => [type, { right: 0, found: 0, labelled: 0 }]));
  const of = (type) => {
    if (!counts.has(type)) counts.set(type, { right: 0, found: 0, labelled: 0 });
    return counts.get(type);
  };
  rows.forEach((row, i) => {
    for (const mark of row.marks) of(mark.type).labelled += 1;
    for (const entity of found[i]) {
      of(entity.type).found += 1;
      if (row.marks.some((mark) => sameSpan(mark, entity))) of(entity.type).right += 1;
    }
  });
  const f1 = ({ right, found, labelled }) => (found + labelled ? (200 * right) / (found + labelled) : null);
  const all = { right: 0, found: 0, labelled: 0 };
  for (const count of counts.values()) for (const name of Object.keys(all)) all[name] += count[name];
  return { f1: f1(all), perType: new Map([...counts].map(([type, count]) => [type, f1(count)])) };
}
