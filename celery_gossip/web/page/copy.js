// Copy: a button that copies a text, such as the id of a task.

import { button } from "./dom.js";
import { icon, redraw } from "./icon.js";

const SHOWN = 1500; // milliseconds for which the button confirms

/** Pages that are served without TLS have no clipboard API, except on the own machine. @param {string} text */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("the browser does not copy");
}

/** `announce(text)`: for screen readers. @param {(text: string) => void} announce @returns {Page.Part<[string]>} */
export function copyButton(announce) {
  const symbol = icon("copy");
  let text = "";
  const element = button(symbol, onClick, { class: "copy", "aria-label": "Copy the id", title: "Copy the id" });
  async function onClick() {
    try {
      await copy(text);
      redraw(symbol, "good");
      announce("Copied");
    } catch {
      redraw(symbol, "lost");
      announce("Not copied");
    }
    setTimeout(() => redraw(symbol, "copy"), SHOWN);
  }
  return { element, update: (latest) => { text = latest; } };
}
