// The server counts code points; JavaScript counts UTF-16 units. Conversion happens here, where data come in and go out.

const WIDE = /[\ud800-\udbff][\udc00-\udfff]/;

// Units before each code point, and one more for the end.
function unitsBefore(text) {
  const before = [0];
  for (const letter of text) before.push(before[before.length - 1] + letter.length);
  return before;
}

export function toUnits(text, entities) {
  if (!WIDE.test(text)) return entities.map((entity) => ({ ...entity }));
  const before = unitsBefore(text);
  return entities.map((entity) => ({ ...entity, start: before[entity.start], end: before[entity.end] }));
}

export function toPoints(text, entities) {
  if (!WIDE.test(text)) return entities.map((entity) => ({ ...entity }));
  const places = new Map(unitsBefore(text).map((unit, point) => [unit, point]));
  const point = (unit) => places.get(unit) ?? places.get(unit - 1);
  return entities.map((entity) => ({ ...entity, start: point(entity.start), end: point(entity.end) }));
}

export const wellFormed = (text) => text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
