// Formulas as SVG, each with its own glyphs, so that the speaker's notes show them too.
window.MathJax = {
  tex: { inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]], processEscapes: true },
  svg: { fontCache: "local" },
  startup: { typeset: false },
};
