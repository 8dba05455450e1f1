// DOM: elements made without markup, so that no name can become code, and texts that are written only when they change.

const SVG = "http://www.w3.org/2000/svg";
const written = Symbol("text");

/** An attribute that is false, null or undefined is left out, a child likewise. */
export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

export function button(label, onClick, attributes = {}) {
  const element = h("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}

export function setAttribute(element, name, value) {
  const text = value === true ? "" : value;
  if (text === false || text === null || text === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(text)) element.setAttribute(name, text);
}

export function setText(element, text) {
  if (element[written] === text) return;
  element[written] = text;
  element.textContent = text;
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** A name that somebody else has given: isolated from the text around it, cut short by the style, whole in its title. */
export function named(text = "", className = "") {
  const element = h("bdi", { class: `name ${className}` });
  rename(element, text);
  return element;
}

export function rename(element, text) {
  setText(element, text);
  setAttribute(element, "title", text);
}

/** Parts of a page are `{element, update(…)}`; this one shows a name. */
export function nameLabel(className) {
  const element = named("", className);
  return { element, update: (text) => rename(element, text) };
}

/** Makes such parts that are updated with a row: `argumentsOf(row)` is what `make()`'s own update takes. */
export function painted(make, argumentsOf) {
  return () => {
    const { element, update } = make();
    return { element, update: (row) => update(...argumentsOf(row)) };
  };
}
