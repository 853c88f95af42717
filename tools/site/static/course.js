// Widgets were made for MathJax 2 and ask it to typeset their labels: let MathJax 3 do so.
// A formula within a sentence that is wider than a phone scrolls by itself.
const markWide = () => {
  for (const formula of document.querySelectorAll("mjx-container:not([display])")) {
    formula.classList.remove("wide");
    const column = formula.closest("p, li, td, th, h1, h2, h3, div");
    formula.classList.toggle("wide", formula.getBoundingClientRect().width > column.clientWidth);
  }
};

addEventListener("DOMContentLoaded", () => {
  const mathjax = window.MathJax;
  if (!mathjax || !mathjax.startup) return;
  mathjax.Hub = { Queue: ([, , element]) => mathjax.typesetPromise([element]) };
  mathjax.startup.promise.then(markWide);
  addEventListener("resize", markWide);
});
