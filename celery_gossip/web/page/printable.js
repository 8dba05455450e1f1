// Printable: names from messages without characters that are invisible or change other text. Pure; the rules are those of
// celery_gossip/printable.py.

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{13441}\u{13442}\u{16FE4}\u{1D159}]|(?! )\p{Zs}/gu;
const EDGES = /^ +| +$|(?<= ) +/g;
const MARKS = /(?<=^| )\p{M}+|(?<=\p{M}{3})\p{M}+/gu; // combining marks without a base letter, or more than three on one

/** @param {string} char */
function escaped(char) {
  const hex = Number(char.codePointAt(0)).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** @param {string} found */
const escapedAll = (found) => [...found].map(escaped).join("");

/** Returns the text with the code points of such characters in their place. @param {string} text */
export const printable = (text) => text.replace(EDGES, escapedAll).replace(MARKS, escapedAll).replace(HIDDEN, escapedAll);
