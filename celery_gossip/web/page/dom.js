// DOM: creates elements without parsing markup, so that no name can become code, and writes texts only when they change.

import { printable } from "./printable.js";

const SVG = "http://www.w3.org/2000/svg";
/** @type {WeakMap<Element, string>} */
const written = new WeakMap();

/**
 * Creates an element. Attributes and children that are false, null or undefined are left out.
 * @type {Page.CreateHtml}
 */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** @type {Page.CreateSvg} */
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** @param {Page.Child} label @param {(event: MouseEvent) => void} onClick @param {Page.Attributes} attributes */
export function button(label, onClick, attributes = {}) {
  const element = h("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", onClick);
  return element;
}

/** @template {Element} E @param {E} element @param {Page.Attributes | undefined} attributes @param {Page.Children} children */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) setAttribute(element, name, value);
  element.append(...children.flat().filter((child) => child || child === 0).map((child) => /** @type {Node | string} */ (child)));
  return element;
}

/** @param {Element} element @param {string} name @param {Page.Attribute} value */
export function setAttribute(element, name, value) {
  const text = value === true ? "" : value;
  if (text === false || text === null || text === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(text)) element.setAttribute(name, String(text));
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (written.get(element) === text) return;
  written.set(element, text);
  element.textContent = text;
}

/** @param {HTMLElement} element @param {boolean} isShown */
export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/**
 * Shows a name from a message: isolated from surrounding text, truncated by the style, complete in its title.
 * @param {string} [text] @param {string} [className]
 */
export function nameElement(text = "", className = "") {
  const element = h("bdi", { class: `name ${className}` });
  setName(element, text);
  return element;
}

/** @param {Element} element @param {string} [text] */
export function setName(element, text) {
  const shown = printable(text ?? "");
  setText(element, shown);
  setAttribute(element, "title", shown);
}

/** Parts of a page are `{element, update(…)}`. This part shows a name. @param {string} [className] */
export function nameLabel(className) {
  const element = nameElement("", className);
  return { element, update: (/** @type {string} */ text) => setName(element, text) };
}

/**
 * Returns a function that makes a part whose update() gets a row: `argumentsOf(row)` are the arguments of make()'s own.
 * @template {[] | unknown[]} A @template R
 * @param {() => Page.Part<A>} make @param {(row: R) => NoInfer<A>} argumentsOf
 * @returns {() => Page.Part<[R]>}
 */
export function fromRow(make, argumentsOf) {
  return () => {
    const { element, update } = make();
    return { element, update: (row) => update(...argumentsOf(row)) };
  };
}
