// Theme: applies the reader's choice before the first paint, so that no page flashes in the other theme.
// A classic script, because modules run after the first paint.
try {
  const chosen = localStorage.getItem("gossip-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's theme is used.
}
