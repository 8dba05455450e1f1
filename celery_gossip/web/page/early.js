// Sets the theme that the reader chose before anything is painted, so that no page flashes in the wrong one.
// A classic script, for modules run after the first paint.
try {
  const chosen = localStorage.getItem("gossip-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's theme it is.
}
