// Runs beside iframes that show the report: writes down what is drawn in each.
onload = () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => {
    const view = frame.contentWindow, page = frame.contentDocument;
    const box = (each) => each.getBoundingClientRect();
    const drawn = (name) =>
      [...page.querySelectorAll(name)].filter((each) => box(each).width > 0 && box(each).height > 0).length;
    const beyond = [...page.querySelectorAll("main *, header *")]
      .filter((each) => !each.closest(".scroll, .sr, thead") && box(each).right > view.innerWidth + 0.5)
      .map((each) => each.outerHTML.slice(0, 90));
    const band = page.querySelector(".band rect");
    const at = { clientX: box(band).x + 1, clientY: box(band).y + 1, bubbles: true };
    band.dispatchEvent(new view.PointerEvent("pointermove", at));
    return {
      width: view.innerWidth,
      content: page.documentElement.scrollWidth,
      beyond,
      errors: view.errors,
      loaded: view.performance.getEntriesByType("resource").length,
      curves: drawn("svg polyline"),
      bars: drawn(".bars .track i"),
      rungs: drawn(".ladder .dot"),
      dots: drawn(".swarm i"),
      tip: page.querySelector("#tip")?.textContent,
      ground: view.getComputedStyle(page.body).backgroundColor,
    };
  });
  const note = document.createElement("pre");
  note.id = "found";
  note.textContent = JSON.stringify(found);
  document.body.append(note);
};
