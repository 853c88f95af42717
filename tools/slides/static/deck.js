// Draw the formulas, let each slide's type be as large as it may, and begin.

// Type sizes in pixels of a slide of 1280 × 720, from the largest to the smallest.
const STEPS = 12;
const SIZES = { "--text": [31, 22], "--code": [24, 18], "--formula": [34, 24] };

const tooLarge = (slide) =>
  [slide, ...slide.querySelectorAll(".body, .text, pre, table, mjx-container")].some(
    (part) => part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1
  ) || [...slide.querySelectorAll("mjx-container > svg")].some(
    (svg) => svg.getBoundingClientRect().right > slide.getBoundingClientRect().right - 40
  );

const fit = (slide) => {
  for (let step = 0; step <= STEPS; step++) {
    for (const [name, [most, least]] of Object.entries(SIZES))
      slide.style.setProperty(name, `${most + ((least - most) * step) / STEPS}px`);
    slide.dataset.step = step;
    if (!tooLarge(slide)) return;
  }
  slide.dataset.tooLarge = "yes";
};

const begin = async () => {
  await MathJax.startup.promise;
  await MathJax.typesetPromise([document.querySelector(".slides")]);
  document.querySelectorAll(".notes mjx-assistive-mml").forEach((double) => double.remove());
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  document.querySelectorAll(".slide").forEach(fit);
  document.body.classList.remove("measuring");
  const deck = new Reveal({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
    hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
    navigationMode: "default", pdfSeparateFragments: false, plugins: [RevealNotes],
  });
  await deck.initialize();
  window.deck = deck;
  document.body.dataset.ready = "yes";
};

addEventListener("load", begin);
