// Frames: the knobs choose one of the pictures that lie side by side in one file.
const showFrames = (frames) => {
  const { positions, texts } = JSON.parse(frames.querySelector("script").textContent);
  const knobs = [...frames.querySelectorAll("input")];
  const sheet = frames.querySelector("img");
  const text = frames.querySelector(".frames-text");
  const columns = positions.at(-1).length;
  const show = () => {
    let picture = 0;
    knobs.forEach((knob, k) => {
      const written = positions[k][knob.value];
      picture = picture * positions[k].length + Number(knob.value);
      knob.setAttribute("aria-valuetext", written);
      knob.nextElementSibling.textContent = written;
    });
    sheet.style.left = `${-100 * (picture % columns)}%`;
    sheet.style.top = `${-100 * Math.floor(picture / columns)}%`;
    text.textContent = texts[picture];
  };
  knobs.forEach((knob) => knob.addEventListener("input", show));
  show();
};
addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".course-frames").forEach(showFrames);
});

// A formula within a sentence that is wider than a phone scrolls by itself.
const markWide = () => {
  for (const formula of document.querySelectorAll("mjx-container:not([display])")) {
    formula.classList.remove("wide");
    const column = formula.closest("p, li, td, th, h1, h2, h3, div");
    formula.classList.toggle("wide", formula.getBoundingClientRect().width > column.clientWidth);
  }
};

// What scrolls by itself is to scroll by keys, too.
const letKeysScroll = () => {
  for (const part of document.querySelectorAll("pre, .cell_output, .table-wrapper")) {
    const hidden = ["visible", "hidden"].includes(getComputedStyle(part).overflowX);
    const scrolls = part.scrollWidth > part.clientWidth && !hidden;
    if (scrolls) part.tabIndex = 0;
    else if (part.tabIndex === 0) part.removeAttribute("tabindex");
  }
};
addEventListener("load", letKeysScroll);
addEventListener("resize", letKeysScroll);

addEventListener("DOMContentLoaded", () => {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
  const mathjax = window.MathJax;
  if (!mathjax || !mathjax.startup) return;
  mathjax.startup.promise.then(markWide).then(letKeysScroll);
  addEventListener("resize", markWide);
});
