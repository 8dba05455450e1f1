// DOM: elements made without markup, so that no name can become code, and texts that are written only when they change.

const SVG = "http://www.w3.org/2000/svg";
const written = Symbol("text");

/** `on: {event: listener}`; `data: {name: value}`; false, null and undefined leave an attribute out. */
export function h(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  return filled(document.createElement(tag), on, data, attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), {}, {}, attributes, children);
}

function filled(element, on, data, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
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

export function toggle(element, className, isOn) {
  if (element.classList.contains(className) !== isOn) element.classList.toggle(className, isOn);
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** A name that somebody else has given: isolated from the text around it, cut short by the style, whole in its title. */
export function named(text, attributes = {}) {
  const element = h("bdi", { ...attributes, class: `name ${attributes.class ?? ""}`.trim() });
  rename(element, text);
  return element;
}

export function rename(element, text) {
  setText(element, text);
  setAttribute(element, "title", text);
}

/** For readers of screens only. */
export const unseen = (text) => h("span", { class: "unseen" }, text);
